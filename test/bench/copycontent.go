package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/test/rig"
)

// referrerBlob is the size of the blob of each referrer, about that of a signature
// with its certificate.
const referrerBlob = 3000

// noise returns bytes that nothing can make smaller; the same for one number.
func noise(number uint64, size int64) []byte {
	content := make([]byte, size)
	var seed [32]byte
	for i := range 8 {
		seed[i] = byte(number >> (8 * i))
	}
	_, _ = rand.NewChaCha8(seed).Read(content)
	return content
}

// pushLayer pushes a blob to the source, and returns its descriptor.
func (c *copies) pushLayer(ctx context.Context, repository, mediaType string, content []byte) (rig.Descriptor, error) {
	sum := digest.FromBytes(content)
	return rig.Descriptor{MediaType: mediaType, Digest: sum, Size: int64(len(content))},
		c.client.pushBlob(ctx, c.source.url, repository, sum, content)
}

// pushReferrers pushes referrers of a subject, each with a blob of its own.
func (c *copies) pushReferrers(ctx context.Context, repository string, subject rig.Descriptor, n int) ([]digest.Digest, error) {
	pushed := make([]digest.Digest, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(c.connections)
	for i := range pushed {
		group.Go(func() error {
			content := append(noise(uint64(i), referrerBlob), subject.Digest...)
			layer, err := c.pushLayer(ctx, repository, typeSignature, content)
			if err != nil {
				return err
			}
			m := referrer(subject, repository, i)
			m.Layers = &[]rig.Descriptor{layer}
			pushed[i] = m.Digest()
			_, err = c.client.pushManifest(ctx, c.source.url, repository, "", m)
			return err
		})
	}
	return pushed, group.Wait()
}

// pushImage pushes an image with referrers.
func (c *copies) pushImage(ctx context.Context, repository string, referrers int) (map[digest.Digest][]digest.Digest, error) {
	if err := c.client.pushEmpty(ctx, c.source.url, repository); err != nil {
		return nil, err
	}
	image := rig.Image(repository)
	if _, err := c.client.pushManifest(ctx, c.source.url, repository, "v1", image); err != nil {
		return nil, err
	}
	pushed, err := c.pushReferrers(ctx, repository, image.Descriptor(), referrers)
	return map[digest.Digest][]digest.Digest{image.Digest(): pushed}, err
}

// pushPlatforms pushes an index of images with referrers.
func (c *copies) pushPlatforms(ctx context.Context, repository string) (map[digest.Digest][]digest.Digest, error) {
	if err := c.client.pushEmpty(ctx, c.source.url, repository); err != nil {
		return nil, err
	}
	expected := map[digest.Digest][]digest.Digest{}
	var entries []rig.Descriptor
	for i := range platforms {
		config, err := c.pushLayer(ctx, repository, rig.ImageConfig, fmt.Appendf(nil, `{"os":"linux","architecture":"arch%d"}`, i))
		if err != nil {
			return nil, err
		}
		layer, err := c.pushLayer(ctx, repository, "application/vnd.oci.image.layer.v1.tar+gzip", noise(uint64(i), 16<<10))
		if err != nil {
			return nil, err
		}
		image := rig.Image(fmt.Sprint(repository, i))
		image.Config, image.Layers = &config, &[]rig.Descriptor{layer}
		if _, err := c.client.pushManifest(ctx, c.source.url, repository, "", image); err != nil {
			return nil, err
		}
		entry := image.Descriptor()
		entry.Platform = &rig.Platform{OS: "linux", Architecture: fmt.Sprintf("arch%d", i)}
		entries = append(entries, entry)
		if expected[image.Digest()], err = c.pushReferrers(ctx, repository, image.Descriptor(), platformReferrers); err != nil {
			return nil, err
		}
	}
	_, err := c.client.pushManifest(ctx, c.source.url, repository, "v1", rig.Index(entries...))
	return expected, err
}

// pushLayers pushes an image of large layers, which nothing refers to.
func (c *copies) pushLayers(ctx context.Context, repository string) (map[digest.Digest][]digest.Digest, error) {
	if err := c.client.pushEmpty(ctx, c.source.url, repository); err != nil {
		return nil, err
	}
	image := rig.Image(repository)
	image.Layers = &[]rig.Descriptor{}
	for i := range layers {
		layer, err := c.pushLayer(ctx, repository, "application/vnd.oci.image.layer.v1.tar", noise(uint64(i), c.copy.bytes/layers))
		if err != nil {
			return nil, err
		}
		*image.Layers = append(*image.Layers, layer)
	}
	_, err := c.client.pushManifest(ctx, c.source.url, repository, "v1", image)
	return map[digest.Digest][]digest.Digest{image.Digest(): nil}, err
}

// mustHave fails where a repository lacks a manifest, or does not list its
// referrers: by the referrers API, else under the referrers tag.
func (c *copies) mustHave(ctx context.Context, at *server, repository string, subject digest.Digest, referrers []digest.Digest) error {
	manifests := at.url + "/v2/" + repository + "/manifests/"
	if _, _, err := c.client.send(ctx, http.StatusOK, http.MethodGet, manifests+subject.String(), nil, "Accept", rig.ImageManifest); err != nil {
		return err
	}
	if len(referrers) == 0 {
		return nil
	}
	var bodies [][]byte
	var err error
	if at == c.withAPI {
		_, bodies, err = c.client.pages(ctx, at.url, "/v2/"+repository+"/referrers/"+subject.String())
	} else {
		bodies = make([][]byte, 1)
		_, bodies[0], err = c.client.send(ctx, http.StatusOK, http.MethodGet, manifests+oci.ReferrersTag(subject), nil, "Accept", rig.ImageIndex)
	}
	if err != nil {
		return err
	}
	var listed []digest.Digest
	for _, body := range bodies {
		var page struct{ Manifests []rig.Descriptor }
		if err := json.Unmarshal(body, &page); err != nil {
			return err
		}
		for _, entry := range page.Manifests {
			listed = append(listed, entry.Digest)
		}
	}
	slices.Sort(listed)
	if wanted := slices.Sorted(slices.Values(referrers)); !slices.Equal(listed, wanted) {
		return fmt.Errorf("%d referrers of %s are listed and %d were to come", len(listed), subject, len(wanted))
	}
	return nil
}
