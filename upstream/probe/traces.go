package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
)

// traces are what a run may have written, each to be removed again. Nothing is among
// them that was there before.
type traces struct {
	manifests, references, blobs []trace
	// uploads is how many can't be ended.
	uploads int
	// shared is what was written and has to stay: others may use it by now.
	shared []string
}

// trace is one manifest, tag or blob.
type trace struct{ repository, reference string }

func (t *traces) manifest(repository string, sum digest.Digest) {
	t.manifests = with(t.manifests, trace{repository, sum.String()})
}

// reference keeps a tag, or a further digest of a manifest.
func (t *traces) reference(repository, reference string) {
	t.references = with(t.references, trace{repository, reference})
}

func (t *traces) blob(repository string, sum digest.Digest) {
	t.blobs = with(t.blobs, trace{repository, sum.String()})
}

func with(all []trace, one trace) []trace {
	if slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}

// removalTime bounds how long it takes to remove all.
const removalTime = time.Minute

// remove deletes what was written, also where ctx has ended: what names others before
// these, tags that are still there behind their manifests, blobs in the end. It
// returns what is left.
func (s *scene) remove(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalTime)
	defer cancel()
	var left []string
	for _, kind := range []struct {
		name   string
		traces []trace
		at     func(trace) *url.URL
	}{
		{"manifest", s.traces.manifests, trace.manifestURL},
		{"manifest", s.traces.references, trace.manifestURL},
		{"blob", s.traces.blobs, func(t trace) *url.URL { return blobURL(t.repository, digest.Digest(t.reference)) }},
	} {
		slices.Reverse(kind.traces)
		for _, t := range kind.traces {
			if s.there(ctx, t, kind.at(t)) {
				s.ask(ctx, t.repository, question{method: http.MethodDelete, url: kind.at(t)})
				if s.there(ctx, t, kind.at(t)) {
					left = append(left, kind.name+" "+t.reference+" of "+t.repository)
				}
			}
		}
	}
	if s.traces.uploads > 0 {
		left = append(left, fmt.Sprintf("%d uploads in %s, which the registry drops by itself", s.traces.uploads, s.repository))
	}
	return append(left, s.traces.shared...)
}

func (t trace) manifestURL() *url.URL { return manifestURL(t.repository, t.reference) }

// there tells whether something may still be there.
func (s *scene) there(ctx context.Context, t trace, at *url.URL) bool {
	looked := s.ask(ctx, t.repository, question{method: http.MethodHead, url: at, header: http.Header{"Accept": {acceptManifests}}})
	return !looked.refused() || looked.unclear() != ""
}
