package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
)

// What it costs to push a large blob by a digest that the registry does not keep.
const (
	digestsPut = "digests/put"

	digestsRepository = "bench/digests"
	// digestsBlob is made of so many pieces of the same content.
	digestsPieces = 64
	digestsPiece  = 16 << 20

	withoutShims = "backref, no shims"
	withHashes   = "backref, hashing"
)

func digestsFamily() family {
	return family{cases: []string{digestsPut}, prepare: prepareDigests}
}

// digests is a blob of 1 GiB that is pushed by its sha512.
type digests struct {
	*stage
	piece []byte
	sum   digest.Digest
}

func prepareDigests(ctx context.Context, s *stage) ([]comparison, error) {
	d := &digests{stage: s, piece: make([]byte, digestsPiece)}
	var seed [32]byte
	_, _ = rand.NewChaCha8(seed).Read(d.piece)
	sum := digest.SHA512.Digester()
	if _, err := io.Copy(sum.Hash(), d.content()); err != nil {
		return nil, err
	}
	d.sum = sum.Digest()
	registry, err := s.registry(distribution2)
	if err != nil {
		return nil, err
	}
	made := comparison{
		name: digestsPut, about: "Upload of a blob of 1 GiB by POST, PATCH and PUT with its sha512, and the memory of backref meanwhile.",
		metrics: []string{metricMegabyte, metricMost, metricGrowth}, bases: []string{withoutShims, direct2},
		contenders: []contender{{name: direct2, measure: func(ctx context.Context, _ time.Duration) (sample, error) {
			return d.upload(ctx, registry.url)
		}}},
	}
	type hashing struct {
		name     string
		build    build
		file     string
		settings []string
	}
	contestants := []hashing{
		{withoutShims, s.today(), "unshimmed", []string{"upstream.shims.digests=false", "upstream.shims.envelopes=false", "upstream.shims.chunks=false", "upstream.shims.ranges=false"}},
		{withHashes, s.today(), "hashing", []string{"upstream.shims.hashes=true"}},
	}
	for _, of := range s.builds() {
		contestants = append(contestants, hashing{of.contender(backrefName), of, "backref", nil})
	}
	for _, c := range contestants {
		started, err := s.startBuild(c.build, c.file, registry.url, filepath.Join(s.dir, c.file+c.build.suffix+".db"), c.settings...)
		if err != nil {
			return nil, err
		}
		idle, err := treeMemory(started.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		made.contenders = append(made.contenders, contender{name: c.name, measure: func(ctx context.Context, _ time.Duration) (sample, error) {
			return watchMemory(ctx, started.cmd.Process.Pid, idle, func() (sample, error) { return d.upload(ctx, started.url) })
		}})
	}
	return []comparison{made}, nil
}

// content returns the blob from its start.
func (d *digests) content() io.Reader {
	pieces := make([]io.Reader, digestsPieces)
	for i := range pieces {
		pieces[i] = bytes.NewReader(d.piece)
	}
	return io.MultiReader(pieces...)
}

// upload pushes the blob once. The registry has it by then, and writes and checks it
// each time.
func (d *digests) upload(ctx context.Context, base string) (sample, error) {
	own := newClient()
	defer own.CloseIdleConnections()
	begun := time.Now()
	next, err := own.upload(ctx, base, digestsRepository)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, next, d.content())
	if err != nil {
		return nil, err
	}
	req.ContentLength = digestsPieces * digestsPiece
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := own.Do(req)
	if err != nil {
		return nil, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusAccepted {
		return nil, fmt.Errorf("PATCH %s: status %d", next, resp.StatusCode)
	}
	if next, err = location(base, resp.Header); err != nil {
		return nil, err
	}
	if err := own.finish(ctx, next, d.sum, nil); err != nil {
		return nil, err
	}
	return sample{metricMegabyte: digestsPieces * digestsPiece / 1e6 / time.Since(begun).Seconds()}, nil
}
