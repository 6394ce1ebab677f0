package probe

import (
	"context"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// sample is what the checks that read look at.
type sample struct {
	// repository is empty where none is known.
	repository string
	// listed is the answer with its tags, tags what it holds.
	listed exchange
	tags   []string
	// manifest is one that is there; empty where none is known.
	manifest digest.Digest
	// blob is one that is there, size its length in bytes; empty where none is known.
	blob digest.Digest
	size int64
}

// findSample finds what to look at: what was written, or else a tag of the repository
// that is named, or of one of the catalog's first.
func (p *probe) findSample(ctx context.Context) sample {
	if p.scene != nil {
		listed := p.askTags(ctx, p.Write)
		tags, _ := listed.tagList()
		found := sample{repository: p.Write, listed: listed, tags: tags}
		if p.scene.pushed.done() {
			found.manifest = digest.FromBytes(p.scene.image.bytes())
			found.blob, found.size = p.scene.layer.Digest, p.scene.layer.Size
		}
		return found
	}
	candidates, _ := p.listed.repositories()
	if p.Repository != "" {
		candidates = []string{p.Repository}
	}
	found := sample{}
	for i, repository := range candidates {
		if i == tried || !oci.ValidRepository(repository) {
			break
		}
		listed := p.askTags(ctx, repository)
		tags, _ := listed.tagList()
		if len(tags) > 0 || found.repository == "" {
			found = sample{repository: repository, listed: listed, tags: tags}
		}
		if len(tags) > 0 {
			break
		}
	}
	if len(found.tags) > 0 && oci.ValidTag(found.tags[0]) {
		p.readManifest(ctx, &found, found.tags[0], true)
	}
	return found
}

// document is what is looked at of a manifest or index.
type document struct {
	Config    oci.Descriptor   `json:"config"`
	Layers    []oci.Descriptor `json:"layers"`
	Manifests []oci.Descriptor `json:"manifests"`
}

// readManifest finds a manifest and a blob by a tag or digest; through is whether it
// looks into an index.
func (p *probe) readManifest(ctx context.Context, found *sample, reference string, through bool) {
	read := p.ask(ctx, found.repository, question{
		method: http.MethodGet, url: manifestURL(found.repository, reference), header: http.Header{"Accept": {acceptManifests}},
	})
	var manifest document
	if !read.decode(&manifest) {
		return
	}
	if found.manifest == "" {
		found.manifest = digest.FromBytes(read.body)
	}
	for _, blob := range append([]oci.Descriptor{manifest.Config}, manifest.Layers...) {
		// Of a shorter one no part can be asked for.
		if blob.Size > 1 && oci.CheckDigest(blob.Digest) == nil {
			found.blob, found.size = blob.Digest, blob.Size
			return
		}
	}
	if through && len(manifest.Manifests) > 0 && oci.CheckDigest(manifest.Manifests[0].Digest) == nil {
		p.readManifest(ctx, found, manifest.Manifests[0].Digest.String(), false)
	}
}

// acceptManifests names the media types of all manifests.
const acceptManifests = oci.MediaTypeImageManifest + ", " + oci.MediaTypeImageIndex + ", " + oci.MediaTypeDockerImage + ", " + oci.MediaTypeDockerList

// without says what is missing for a check.
func (s sample) without() string {
	switch {
	case s.repository == "":
		return "no repository is known: name one by --repository"
	case len(s.tags) == 0 && s.listed.unclear() != "":
		return "the tags of " + s.repository + " can't be listed: " + s.listed.unclear()
	case len(s.tags) == 0:
		return s.repository + " has no tags: name another by --repository"
	default:
		return ""
	}
}
