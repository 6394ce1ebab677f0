package registry

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
)

// The headers of the answer to a push that replaces referrers: each digest once,
// in the one or the other.
const (
	// HeaderReplaced names a referrer that is gone from the registry.
	HeaderReplaced = "Backref-Replaced"
	// HeaderReplacing names one that is listed no more and is still to be deleted.
	HeaderReplacing = "Backref-Replacing"
)

// replacing is the [Writer] by which a referrer takes the place of others: in one
// transaction of the index it is listed and they are not, once the upstream has
// it. Then they are deleted upstream. A crash, whenever it comes, leaves the old
// ones listed or the new one: the intent of the push says what it replaces, and
// whoever settles it does both. What is still to be deleted then is a removal,
// which whoever may carries out.
type replacing struct {
	registry *Registry
	next     Writer
}

// Push implements [Writer].
func (w replacing) Push(ctx context.Context, push *Push) (*http.Response, error) {
	if len(push.Replaces) == 0 {
		return w.next.Push(ctx, push)
	}
	r, caller := w.registry, push.Caller
	if err := checkReplaces(push); err != nil {
		return nil, err
	}
	still, err := r.replaceable(ctx, push)
	if err != nil {
		return nil, err
	}
	if err := r.mayDelete(ctx, caller); err != nil {
		return nil, refusesDeletes(err)
	}
	replacing := *push
	replacing.Replaces = still
	resp, err := w.next.Push(ctx, &replacing)
	if err != nil || !accepted(resp) {
		return resp, err
	}
	r.dropReplaced(ctx, push, resp)
	return resp, nil
}

// checkReplaces refuses a push that can't take the place of others.
func checkReplaces(push *Push) error {
	switch {
	case push.Caller.elsewhere != "":
		return oci.BadRequest(oci.CodeUnsupported, "replaces is for manifests of this registry: leave out ns")
	case !push.Known || push.Manifest.Subject() == "":
		return oci.BadRequest(oci.CodeManifestInvalid, "replaces is for a manifest with a subject, whose other referrers it takes the place of")
	case len(push.Replaces) > index.MaxReplaces:
		return oci.BadRequest(oci.CodeUnsupported, fmt.Sprintf("replaces names more than %d manifests", index.MaxReplaces))
	case slices.Contains(push.Replaces, push.Manifest.Digest):
		return oci.BadRequest(oci.CodeDigestInvalid, "replaces names the manifest that is pushed")
	}
	return nil
}

// replaceable returns those manifests that a push replaces which are still there:
// others are none only where the pushed one is listed already, as after a push
// whose answer was lost. Each has to have the subject of the pushed one.
func (r *Registry) replaceable(ctx context.Context, push *Push) ([]digest.Digest, error) {
	caller, subject := push.Caller, push.Manifest.Subject()
	if err := r.Enter(ctx, caller, subject); err != nil {
		return nil, err
	}
	if err := r.complete(ctx, caller, subject); err != nil {
		return nil, err
	}
	if !caller.Permitted() {
		return nil, unknownReplaced(push.Replaces[0])
	}
	records, err := r.Records(ctx, caller, push.Replaces)
	if err != nil {
		return nil, err
	}
	locked, err := r.Locked(ctx, caller)
	if err != nil {
		return nil, err
	}
	var still []digest.Digest
	for _, replaced := range push.Replaces {
		record, found := records[replaced]
		switch {
		case locked.By(replaced).Denied:
			return nil, r.denyLocked(ctx, denial{
				caller, policy.Delete, Reference{Digest: replaced}, locked.By(replaced), "manifest " + replaced.String() + " can't be replaced",
			})
		case found && record.Subject() != subject:
			return nil, oci.BadRequest(oci.CodeManifestInvalid, fmt.Sprintf("%s has another subject than the manifest that is to take its place", replaced))
		case found:
			still = append(still, replaced)
		default:
			listed, err := knows(ctx, r.store, caller.repository, push.Manifest.Digest)
			if err != nil {
				return nil, err
			}
			if !listed {
				return nil, unknownReplaced(replaced)
			}
		}
	}
	return still, nil
}

func unknownReplaced(replaced digest.Digest) *oci.Error {
	return oci.NotFound(oci.CodeManifestUnknown, fmt.Sprintf("%s, which is to be replaced, is not there", replaced), nil)
}

// dropReplaced deletes upstream what a push has replaced, and says in its answer
// what became of each.
func (r *Registry) dropReplaced(ctx context.Context, push *Push, resp *http.Response) {
	ctx = context.WithoutCancel(ctx)
	caller := push.Caller
	told := map[digest.Digest]string{}
	for _, removal := range r.removalsOf(ctx, caller, push.Replaces) {
		came := r.carryOut(ctx, caller, removal, true)
		if !came.Gone {
			told[removal.Record.Digest] = HeaderReplacing
			continue
		}
		told[removal.Record.Digest] = HeaderReplaced
		r.audit(ctx, AuditEvent{
			Outcome: AuditDeleted, Action: "replace", Repository: caller.repository, Digest: removal.Record.Digest,
			Reason: "replaced by " + push.Manifest.Digest.String(),
		})
	}
	for _, replaced := range push.Replaces {
		what, known := told[replaced]
		if !known {
			// It went before, or its removal is not to be had.
			what = HeaderReplaced
			if present, err := r.upstream.Has(ctx, caller.as, caller.repository, replaced); err != nil || present {
				what = HeaderReplacing
			}
		}
		resp.Header.Add(what, replaced.String())
	}
}

// removeReplaced makes removals of what a push replaces whose intent says another
// digest than the upstream keeps the manifest under.
func (r *Registry) removeReplaced(ctx context.Context, push *Push) {
	if len(push.Replaces) == 0 {
		return
	}
	if _, err := r.remove(context.WithoutCancel(ctx), push.Caller, push.Replaces); err != nil {
		Note(ctx, zap.NamedError("removal", err))
	}
}

// removalsOf returns the open removals of manifests.
func (r *Registry) removalsOf(ctx context.Context, caller *Caller, manifests []digest.Digest) []index.Intent {
	var found []index.Intent
	for after := index.IntentID(0); ; {
		open, err := r.store.Removals(ctx, caller.repository, after, openRemovals)
		if err != nil {
			Note(ctx, zap.NamedError("removals", err))
			return found
		}
		for _, removal := range open {
			if after = removal.ID; slices.Contains(manifests, removal.Record.Digest) {
				found = append(found, removal)
			}
		}
		if len(open) < openRemovals {
			return found
		}
	}
}

// Delete implements [Writer].
func (w replacing) Delete(ctx context.Context, deletion *Deletion) (*http.Response, error) {
	return w.next.Delete(ctx, deletion)
}
