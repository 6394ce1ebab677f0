package registry

import (
	"context"
	"net/http"
	"strconv"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
)

// artifacts is the [Writer] that refuses what may not be pushed because of its
// artifact type. What can't be read may be of any.
type artifacts struct {
	registry *Registry
	next     Writer
}

// Push implements [Writer].
func (w artifacts) Push(ctx context.Context, push *Push) (*http.Response, error) {
	rules := w.registry.Policies().Artifacts.For(push.By, policy.Push, push.Caller.repository)
	if decision := rules.Judge(artifactOf(push.Manifest)); decision.Denied {
		return nil, artifactDenied(decision, "this manifest can't be pushed to this repository")
	}
	return w.next.Push(ctx, push)
}

// Delete implements [Writer].
func (w artifacts) Delete(ctx context.Context, deletion *Deletion) (*http.Response, error) {
	return w.next.Delete(ctx, deletion)
}

// artifactOf returns what a rule looks at of a manifest; of one that could not be
// read nothing can be told.
func artifactOf(m index.Manifest) policy.Artifact {
	return policy.Artifact{MediaType: m.MediaType, Type: m.ArtifactType}
}

// artifactDenied is [Denied] for requests that may be a HEAD, whose answer has no
// body: the client is told in a header too (distribution-spec, "Warnings").
func artifactDenied(decision policy.Decision, what string) *oci.Error {
	denied := Denied(decision, what)
	denied.Header = http.Header{"Warning": {"299 - " + strconv.QuoteToASCII(denied.Message)}}
	return denied
}
