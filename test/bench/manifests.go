package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

const manifestRepository = "bench/manifests"

// acceptManifests is what clients send: without it Distribution 2.8 gives no
// OCI manifest.
const acceptManifests = "Accept: " + rig.ImageManifest + ", " + rig.ImageIndex + ", " + rig.DockerManifest + ", " + rig.DockerList

func manifestsFamily() family {
	return family{
		cases:   []string{"manifests/get-by-digest", "manifests/get-by-tag", "manifests/head-by-digest", "manifests/head-by-tag"},
		prepare: prepareManifests,
	}
}

// realImage returns an image with as many layers as many have. Its blobs are
// all the same, which no reader of the manifest notices.
func realImage(name string) rig.Manifest {
	m := rig.Image(name)
	const layers = 6
	all := make([]rig.Descriptor, layers)
	for i := range all {
		all[i] = rig.BlobDescriptor("application/vnd.oci.image.layer.v1.tar+gzip")
		all[i].Annotations = map[string]string{"org.opencontainers.image.title": fmt.Sprintf("layer %d of %s", i, name)}
	}
	m.Layers = &all
	return m
}

func prepareManifests(ctx context.Context, s *stage) ([]comparison, error) {
	peers, err := s.startPeers(ctx)
	if err != nil {
		return nil, err
	}
	client, image := newClient(), realImage(manifestRepository)
	for _, registry := range registries(peers) {
		if err := client.pushEmpty(ctx, registry.server.url, manifestRepository); err != nil {
			return nil, err
		}
		if _, err := client.pushManifest(ctx, registry.server.url, manifestRepository, "latest", image); err != nil {
			return nil, err
		}
	}
	var comparisons []comparison
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for _, by := range []struct{ name, reference string }{{"digest", digest.FromBytes(image.Bytes()).String()}, {"tag", "latest"}} {
			made, err := s.compareManifest(ctx, client, peers, method, by.name, by.reference)
			if err != nil {
				return nil, err
			}
			comparisons = append(comparisons, made)
		}
	}
	return comparisons, nil
}

// compareManifest asks all peers once for the manifest, to see that they
// answer right, and returns how they are measured.
func (s *stage) compareManifest(ctx context.Context, client *client, peers []peer, method, by, reference string) (comparison, error) {
	verb := map[string]string{http.MethodGet: "get", http.MethodHead: "head"}[method]
	body := realImage(manifestRepository).Bytes()
	made := comparison{
		name:    "manifests/" + verb + "-by-" + by,
		about:   fmt.Sprintf("%s of an image manifest of %d bytes by %s.", method, len(body), by),
		metrics: []string{metricRequests, metricP50, metricP99, metricCPURequest},
		bases:   []string{direct2, nginxProxy}, warm: true,
	}
	path := "/v2/" + manifestRepository + "/manifests/" + reference
	for _, p := range peers {
		if p.skipped == "" {
			header, got, err := client.send(ctx, http.StatusOK, method, p.server.url+path, nil, "Accept", acceptManifests[len("Accept: "):])
			if err != nil {
				return made, fmt.Errorf("%s: %s: %w", made.name, p.name, err)
			}
			if method == http.MethodGet && !bytes.Equal(got, body) || header.Get("Docker-Content-Digest") != digest.FromBytes(body).String() {
				return made, fmt.Errorf("%s: %s: another manifest than expected", made.name, p.name)
			}
		}
		made.contenders = append(made.contenders, contender{
			name: p.name, skipped: p.skipped,
			measure: func(ctx context.Context, duration time.Duration) (sample, error) {
				l := load{server: p.server, paths: []string{path}, headers: []string{acceptManifests}, connections: s.connections}
				if method == http.MethodGet {
					return p.server.watchCPU(func() (sample, error) { return s.wrk(ctx, l, duration) })
				}
				// A cache is filled by GET alone.
				if _, _, err := client.send(ctx, http.StatusOK, http.MethodGet, p.server.url+path, nil, "Accept", acceptManifests[len("Accept: "):]); err != nil {
					return nil, err
				}
				return p.server.watchCPU(func() (sample, error) { return headLoad(ctx, l, duration) })
			},
		})
	}
	return made, nil
}
