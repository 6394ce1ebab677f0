package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
)

const (
	blobRepository = "bench/blobs"
	blobSize       = 64 << 20
	// uploads is how many blobs are pushed at once.
	uploads = 4
	// streams is how many blobs are read at once where memory is looked at.
	streams = 256
)

func blobsFamily() family {
	return family{cases: []string{"blobs/get", "blobs/put", "blobs/patch", "blobs/streams"}, prepare: prepareBlobs}
}

// blobs are the peers and the blob that they give and take.
type blobs struct {
	*stage
	client  *client
	peers   []peer
	sum     digest.Digest
	content []byte
}

func prepareBlobs(ctx context.Context, s *stage) ([]comparison, error) {
	b := &blobs{stage: s, client: newClient(), content: fixedBlob()}
	b.sum = digest.FromBytes(b.content)
	var err error
	if b.peers, err = s.startPeers(ctx); err != nil {
		return nil, err
	}
	for _, registry := range registries(b.peers) {
		if err := b.client.pushBlob(ctx, registry.server.url, blobRepository, b.sum, b.content); err != nil {
			return nil, err
		}
	}
	idle := map[string]int64{}
	for _, p := range b.peers {
		if p.skipped != "" {
			continue
		}
		if idle[p.name], err = treeMemory(p.server.cmd.Process.Pid); err != nil {
			return nil, err
		}
		if _, body, err := b.client.send(ctx, http.StatusOK, http.MethodGet, p.server.url+b.path(), nil); err != nil || digest.FromBytes(body) != b.sum {
			return nil, fmt.Errorf("blob from %s: not the expected bytes: %w", p.name, err)
		}
	}
	return []comparison{
		b.compare("blobs/get", fmt.Sprintf("GET of a blob of 64 MiB, %d at once.", b.connections), b.get),
		b.compare("blobs/put", fmt.Sprintf("Upload of a blob of 64 MiB by POST and PUT, %d at once.", uploads), b.upload(false), metricP50, metricP99),
		b.compare("blobs/patch", fmt.Sprintf("Upload of a blob of 64 MiB by POST, PATCH and PUT, %d at once.", uploads), b.upload(true), metricP50, metricP99),
		b.compareStreams(idle),
	}, nil
}

// fixedBlob is content that nothing can make smaller; the same in every run.
func fixedBlob() []byte {
	content := make([]byte, blobSize)
	var seed [32]byte
	_, _ = rand.NewChaCha8(seed).Read(content)
	return content
}

func (b *blobs) path() string {
	return "/v2/" + blobRepository + "/blobs/" + b.sum.String()
}

func (b *blobs) compare(name, about string, measure func(context.Context, peer, time.Duration) (sample, error), more ...string) comparison {
	made := comparison{
		name: name, about: about, metrics: append([]string{metricMegabyte, metricCPUMebibyte}, more...),
		bases: []string{direct2, reverseProxy, nginxProxy}, warm: true,
	}
	for _, p := range b.peers {
		if p.name == cacheName {
			// It caches no blobs.
			continue
		}
		made.contenders = append(made.contenders, contender{
			name: p.name, skipped: p.skipped,
			measure: func(ctx context.Context, duration time.Duration) (sample, error) {
				return p.server.watchCPU(func() (sample, error) { return measure(ctx, p, duration) })
			},
		})
	}
	return made
}

func (b *blobs) get(ctx context.Context, p peer, duration time.Duration) (sample, error) {
	return b.wrk(ctx, load{server: p.server, paths: []string{b.path()}, connections: b.connections}, duration)
}

// upload measures uploads, with the content in PATCH or in PUT. It is always
// the same content: the registry writes and checks it each time, and the disk
// doesn't fill.
func (b *blobs) upload(patch bool) func(context.Context, peer, time.Duration) (sample, error) {
	return func(ctx context.Context, p peer, duration time.Duration) (sample, error) {
		values, err := drive(ctx, uploads, duration, func(context.Context) (worker, error) {
			own := newClient()
			return worker{
				work:  func(ctx context.Context) error { return b.uploadOnce(ctx, own, p.server.url, patch) },
				close: own.CloseIdleConnections,
			}, nil
		})
		if err != nil {
			return nil, err
		}
		values[metricMegabyte] = values[metricRequests] * blobSize / 1e6
		values[metricBytes] = values[metricRequestCount] * blobSize
		return values, nil
	}
}

func (b *blobs) uploadOnce(ctx context.Context, own *client, base string, patch bool) error {
	if !patch {
		return own.pushBlob(ctx, base, blobRepository, b.sum, b.content)
	}
	next, err := own.upload(ctx, base, blobRepository)
	if err != nil {
		return err
	}
	header, _, err := own.send(ctx, http.StatusAccepted, http.MethodPatch, next, b.content, "Content-Type", "application/octet-stream")
	if err != nil {
		return err
	}
	if next, err = location(base, header); err != nil {
		return err
	}
	return own.finish(ctx, next, b.sum, nil)
}

// compareStreams reads many blobs at once and watches the memory of proxies.
func (b *blobs) compareStreams(idle map[string]int64) comparison {
	made := comparison{
		name:    "blobs/streams",
		about:   fmt.Sprintf("%d blobs of 64 MiB read at once: the most resident memory of the proxy meanwhile, that before its first blob, and the difference.", streams),
		metrics: []string{metricMost, metricIdle, metricGrowth, metricMegabyte},
		bases:   []string{reverseProxy},
	}
	for _, p := range b.peers {
		if p.name == direct2 || p.name == direct3 || p.name == cacheName {
			continue
		}
		made.contenders = append(made.contenders, contender{
			name: p.name, skipped: p.skipped,
			measure: func(ctx context.Context, duration time.Duration) (sample, error) {
				return watchMemory(ctx, p.server.cmd.Process.Pid, idle[p.name], func() (sample, error) {
					return b.wrk(ctx, load{server: p.server, paths: []string{b.path()}, connections: streams}, duration)
				})
			},
		})
	}
	return made
}
