package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/upstream"
)

// Cascade is what a delete says of the referrers of the manifest.
type Cascade struct {
	// Asked says that they are to go too, and Refused that they are to stay,
	// whatever a rule says.
	Asked, Refused bool
	// Types are those of the direct referrers that go, where that is asked for.
	Types policy.Types
}

// Cascaded is the body of the answer to a delete with which referrers went.
type Cascaded struct {
	// Rule is the one by which they went; empty where the caller asked for it.
	Rule string `json:"rule,omitempty"`
	// Deleted are the manifests that are gone from the registry, in the order in
	// which they went.
	Deleted []CascadedManifest `json:"deleted"`
	// Kept are the referrers that stayed, each with the reason.
	Kept []CascadedManifest `json:"kept"`
	// Pending are those that are listed no more, and are deleted as soon as the
	// registry lets.
	Pending []CascadedManifest `json:"pending"`
}

// CascadedManifest is a manifest in an answer.
type CascadedManifest struct {
	Digest       digest.Digest `json:"digest"`
	Subject      digest.Digest `json:"subject,omitempty"`
	ArtifactType string        `json:"artifactType,omitempty"`
	Reason       string        `json:"reason,omitempty"`
}

// cascade is the [Writer] by which the referrers of a manifest go with it, where
// the caller asks for that or a rule says so: all of them, their own referrers
// first, but for those that something else holds (see [policy.PlanCascade]).
//
// What goes is decided, and kept in the index, before the first manifest is
// deleted. So a crash, or a registry that can't be reached, leaves nothing half
// done: nothing of it is listed from then on, and what the upstream still has is
// deleted later, with the service's credentials or those of the next caller who
// deletes so in the repository.
type cascade struct {
	registry *Registry
	next     Writer
}

// Push implements [Writer].
func (w cascade) Push(ctx context.Context, push *Push) (*http.Response, error) {
	return w.next.Push(ctx, push)
}

// Delete implements [Writer].
func (w cascade) Delete(ctx context.Context, deletion *Deletion) (*http.Response, error) {
	r, caller, asked := w.registry, deletion.Caller, deletion.Cascade
	untagged := deletion.Tag != ""
	if asked.Asked && (untagged || caller.elsewhere != "") {
		return nil, oci.BadRequest(oci.CodeUnsupported,
			"referrers are deleted with a manifest of this registry that is named by its digest; resolve the tag first")
	}
	types, rule, found := r.Policies().Cascades.For(caller.repository, untagged)
	switch {
	case asked.Asked:
		types, rule = asked.Types, ""
	case asked.Refused || !found || caller.elsewhere != "":
		return w.next.Delete(ctx, deletion)
	}
	root := deletion.Digest
	if untagged {
		var last bool
		var err error
		if root, last, err = r.lastTag(ctx, caller, deletion.Tag); err != nil || !last {
			return w.orPlain(ctx, deletion, err)
		}
	}
	return w.delete(ctx, deletion, root, types, rule)
}

// orPlain passes a delete on that takes nothing along, unless that is not known.
func (w cascade) orPlain(ctx context.Context, deletion *Deletion, err error) (*http.Response, error) {
	if err != nil {
		return nil, err
	}
	return w.next.Delete(ctx, deletion)
}

// lastTag returns what a tag stands for, and whether no other tag does.
func (r *Registry) lastTag(ctx context.Context, caller *Caller, tag string) (manifest digest.Digest, last bool, err error) {
	manifest, err = r.Resolve(ctx, caller, Reference{Tag: tag})
	if errors.Is(err, upstream.ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	others, err := r.namesOf(ctx, caller, manifest, tag)
	return manifest, err == nil && len(others) == 0, err
}

// delete deletes a manifest, or its last tag, and what goes with the manifest.
func (w cascade) delete(ctx context.Context, deletion *Deletion, root digest.Digest, types policy.Types, rule string) (*http.Response, error) {
	r, caller := w.registry, deletion.Caller
	gone, kept, err := r.planCascade(ctx, caller, root, types)
	if err != nil {
		return nil, err
	}
	if len(gone) == 0 {
		return w.alone(ctx, deletion, root, kept, rule)
	}
	if err := r.mayDelete(ctx, caller); err != nil {
		return nil, refusesDeletes(err)
	}
	ctx = context.WithoutCancel(ctx)
	r.finishRemovals(ctx, caller)
	manifests := digestsOfMembers(gone)
	if deletion.Tag == "" {
		manifests = append(manifests, root)
	}
	removals, err := r.remove(ctx, caller, manifests)
	if err != nil {
		return nil, err
	}
	running := &cascading{writer: w, deletion: deletion, root: root, answer: newCascaded(rule, kept)}
	return running.carryOut(ctx, gone, removals)
}

// alone deletes a manifest with which no referrer goes.
func (w cascade) alone(ctx context.Context, deletion *Deletion, root digest.Digest, kept []policy.Kept, rule string) (*http.Response, error) {
	resp, err := w.next.Delete(ctx, deletion)
	if err != nil || !accepted(resp) {
		return resp, err
	}
	answer := newCascaded(rule, kept)
	if deletion.Tag == "" {
		answer.Deleted = append(answer.Deleted, CascadedManifest{Digest: root})
	}
	return answer.over(resp)
}

// cascading is a delete under way.
type cascading struct {
	writer   cascade
	deletion *Deletion
	root     digest.Digest
	answer   *Cascaded
	// stay are the subjects of what the upstream refused to delete.
	stay map[digest.Digest]digest.Digest
}

// carryOut deletes what goes, in its order, and the manifest, or the tag, that the
// delete is of as the last. removals are those of all in that order. Where
// nothing is known of what came of one, the others wait with it.
func (c *cascading) carryOut(ctx context.Context, gone []policy.Member, removals []index.Intent) (*http.Response, error) {
	c.stay = map[digest.Digest]digest.Digest{}
	for i, member := range gone {
		if referrer, stays := c.stay[member.Digest]; stays {
			c.keep(ctx, member, removals[i], "its referrer "+referrer.String()+" stays")
			continue
		}
		came := c.writer.registry.carryOut(ctx, c.deletion.Caller, removals[i], true)
		switch {
		case came.Gone:
			c.note(ctx, shownMember(member))
		case came.Refusal != nil:
			c.kept(member, "the registry refused to delete it: "+came.Refusal.Error())
		default:
			return c.wait(gone[i:])
		}
	}
	return c.last(ctx, removals[len(gone):])
}

// keep gives up the removal of a member.
func (c *cascading) keep(ctx context.Context, member policy.Member, removal index.Intent, reason string) {
	if err := c.writer.registry.store.Cancel(ctx, removal.ID); err != nil {
		shown := shownMember(member)
		shown.Reason = "the index could not be written"
		c.answer.Pending = append(c.answer.Pending, shown)
		return
	}
	c.kept(member, reason)
}

func (c *cascading) kept(member policy.Member, reason string) {
	if member.Subject != c.root {
		c.stay[member.Subject] = member.Digest
	}
	shown := shownMember(member)
	shown.Reason = reason
	c.answer.Kept = append(c.answer.Kept, shown)
}

// note counts a manifest as deleted.
func (c *cascading) note(ctx context.Context, shown CascadedManifest) {
	c.answer.Deleted = append(c.answer.Deleted, shown)
	c.writer.registry.audit(ctx, AuditEvent{
		Outcome: AuditDeleted, Action: "delete", Repository: c.deletion.Caller.repository, Digest: shown.Digest,
		Rule: c.answer.Rule, Reason: "with " + c.root.String(),
	})
}

// wait answers that the rest is deleted later.
func (c *cascading) wait(rest []policy.Member) (*http.Response, error) {
	for _, member := range rest {
		c.answer.Pending = append(c.answer.Pending, shownMember(member))
	}
	if c.deletion.Tag == "" {
		c.answer.Pending = append(c.answer.Pending, CascadedManifest{Digest: c.root})
	}
	return c.answer.over(deleted())
}

// last deletes what the delete is of. removals has the one of the manifest; none
// where a tag is deleted.
func (c *cascading) last(ctx context.Context, removals []index.Intent) (*http.Response, error) {
	r := c.writer.registry
	resp, err := c.writer.next.Delete(ctx, c.deletion)
	for _, removal := range removals {
		switch {
		case err != nil || !accepted(resp) && !refused(resp):
			if err == nil {
				_ = resp.Body.Close()
			}
			return c.wait(nil)
		case accepted(resp) || resp.StatusCode == http.StatusNotFound:
			err = r.store.Confirm(ctx, removal.ID, r.now())
			c.answer.Deleted = append(c.answer.Deleted, CascadedManifest{Digest: c.root})
		default:
			err = r.store.Cancel(ctx, removal.ID)
		}
		if err != nil {
			Note(ctx, zap.NamedError("removal", err))
		}
	}
	if err == nil && resp.StatusCode == http.StatusNotFound && len(c.answer.Deleted) > 0 {
		// It went before its referrers did.
		_ = resp.Body.Close()
		resp = deleted()
	}
	if err != nil || !accepted(resp) {
		return resp, err
	}
	return c.answer.over(resp)
}

// refusesDeletes makes an error of the upstream one that says what to do.
func refusesDeletes(err error) error {
	var status *upstream.StatusError
	if !errors.As(err, &status) || !refusesAll(status) {
		return err
	}
	return &oci.Error{
		Status: http.StatusMethodNotAllowed, Code: oci.CodeUnsupported, Cause: err,
		Message: "the registry behind this proxy does not delete manifests, so nothing was changed; its operator has to enable deletes (Distribution: storage.delete.enabled)",
	}
}

func newCascaded(rule string, kept []policy.Kept) *Cascaded {
	answer := &Cascaded{Rule: rule, Deleted: []CascadedManifest{}, Kept: []CascadedManifest{}, Pending: []CascadedManifest{}}
	for _, member := range kept {
		shown := shownMember(member.Member)
		shown.Reason = member.Reason
		answer.Kept = append(answer.Kept, shown)
	}
	return answer
}

func shownMember(member policy.Member) CascadedManifest {
	return CascadedManifest{Digest: member.Digest, Subject: member.Subject, ArtifactType: member.ArtifactType}
}

func digestsOfMembers(members []policy.Member) []digest.Digest {
	digests := make([]digest.Digest, 0, len(members)+1)
	for _, member := range members {
		digests = append(digests, member.Digest)
	}
	return slices.Clip(digests)
}

// over puts the answer in the place of the body of the upstream's.
func (a *Cascaded) over(resp *http.Response) (*http.Response, error) {
	body, err := json.Marshal(a)
	if err != nil {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("encode what was deleted: %w", err)
	}
	_ = resp.Body.Close()
	resp.Header.Set("Content-Type", "application/json")
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	resp.ContentLength = int64(len(body))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
