package registry

import (
	"context"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// Present is what there is of a reference, as the upstream shows it to the
// service, and as the admin API has it.
type Present struct {
	Repository string `json:"repository"`
	Tag        string `json:"tag,omitempty"`
	Exists     bool   `json:"exists"`
	// Digest, MediaType and ArtifactType are those of the manifest, as far as they
	// can be told.
	Digest       digest.Digest `json:"digest,omitempty"`
	MediaType    string        `json:"mediaType,omitempty"`
	ArtifactType string        `json:"artifactType,omitempty"`
	// HeldBy is the rule by which a locked tag holds the manifest; nil for none.
	HeldBy *HeldBy `json:"heldBy,omitempty"`
}

// HeldBy is why a manifest can't be deleted.
type HeldBy struct {
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
}

// Present asks the upstream, as the service, what there is of a reference, and which
// locked tag holds it. It is for operators alone: nobody asks whether they may read.
// Errors are those of [Registry.Locked]; without a service it is an [*oci.Error].
func (r *Registry) Present(ctx context.Context, repository string, reference Reference) (Present, error) {
	service, configured := r.upstream.Service()
	if !configured {
		return Present{}, &oci.Error{
			Status: http.StatusNotImplemented, Code: oci.CodeUnsupported, Message: "the server has no upstream.service, by which it could ask the registry what is there",
		}
	}
	caller := NewCaller(service.For(repository), Scope{Repository: repository})
	present := Present{Repository: repository, Tag: reference.Tag}
	found, err := r.reader(caller).Manifest(ctx, repository, reference.String())
	switch OutcomeOf(err) {
	case OutcomeGone:
		present.Digest = reference.Digest
		return present, r.upstream.ServesAPI(ctx, repository)
	case OutcomeUnknown:
		return present, err
	case OutcomeUnreadable, OutcomeExcessive:
		// That it is there is all that can be said.
		if found.Digest == "" {
			if found.Digest, err = r.reader(caller).Resolve(ctx, repository, reference.String()); err != nil {
				return present, err
			}
		}
	case OutcomeRead, OutcomeUntyped:
	}
	present.Exists = true
	present.Digest, present.MediaType, present.ArtifactType = found.Digest, found.MediaType, found.ArtifactType
	held, err := r.LockedBy(ctx, caller, found.Digest)
	if held.Denied {
		present.HeldBy = &HeldBy{held.Rule, held.Reason}
	}
	return present, err
}
