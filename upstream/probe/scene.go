package probe

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// Media types of what is written.
const (
	typeLayer       = "application/vnd.oci.image.layer.v1.tar"
	typeEmpty       = "application/vnd.oci.empty.v1+json"
	typeArtifact    = "application/vnd.backref.probe.v1"
	annotationProbe = "io.github.backref.probe"
)

// empty is the content of the empty config.
const empty = "{}"

// scene is what was written into a repository, so that it can be asked about.
type scene struct {
	*probe
	repository string
	// fresh says that the repository had no tags before.
	fresh bool
	// config and layer are the blobs of all manifests, image is the first of these.
	config, layer oci.Descriptor
	image         manifest
	// tags stand for image.
	tags []string
	// pushed is what the registry said of them: of the first refusal, or of the last
	// tag.
	pushed exchange
	traces traces
}

// manifest is a manifest or index to write.
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        *oci.Descriptor   `json:"config,omitempty"`
	Layers        []oci.Descriptor  `json:"layers,omitempty"`
	Manifests     []oci.Descriptor  `json:"manifests,omitempty"`
	Subject       *oci.Descriptor   `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// bytes returns it as it is written.
func (m manifest) bytes() []byte {
	// A value of strings, numbers and such can be encoded.
	body, _ := json.Marshal(m)
	return body
}

// tagEnds are the ends of the tags that are written, in an order that is none: by it
// a list that is sorted differs from one in the order of writing, or the reverse.
func tagEnds() []string { return []string{"m", "C", "x", "a", "T", "f", "Q", "h"} }

// write writes an image and its tags.
func (p *probe) write(ctx context.Context) *scene {
	s := &scene{probe: p, repository: p.Write}
	before := p.askTags(ctx, s.repository)
	tags, listed := before.tagList()
	s.fresh = before.status == http.StatusNotFound || listed && len(tags) == 0
	config := []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"backref.probe":"` + p.Nonce + `"}`)
	layer := []byte("written by backref upstream probe, and to be deleted: " + p.Nonce)
	s.config = describe(oci.MediaTypeImageConfig, config)
	s.layer = describe(typeLayer, layer)
	for _, content := range [][]byte{config, layer} {
		if s.pushed = s.pushBlob(ctx, s.repository, content, digest.FromBytes(content)); !s.pushed.done() {
			return s
		}
	}
	s.image = s.variant("image")
	for _, end := range tagEnds() {
		tag := "backref-probe-" + p.Nonce + "-" + end
		if s.pushed = s.pushManifest(ctx, tag, s.image, nil); !s.pushed.done() {
			return s
		}
		s.tags = append(s.tags, tag)
	}
	return s
}

// variant returns an image that differs from those of other names.
func (s *scene) variant(name string) manifest {
	config := s.config
	return manifest{
		SchemaVersion: 2, MediaType: oci.MediaTypeImageManifest, Config: &config, Layers: []oci.Descriptor{s.layer},
		Annotations: map[string]string{annotationProbe: s.Nonce + " " + name},
	}
}

// descriptor returns the entry by which others name a manifest.
func (s *scene) descriptor(m manifest) *oci.Descriptor {
	d := describe(m.MediaType, m.bytes())
	return &d
}

func describe(mediaType string, content []byte) oci.Descriptor {
	return oci.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
}

// nowhere is a digest of nothing that there is.
func (s *scene) nowhere() digest.Digest {
	return digest.FromString("nothing: " + s.Nonce)
}
