package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/upstream"
)

// PullRules returns the rules of the moment about what somebody pulls from a
// repository; none where all may be pulled. A request is judged by the same from
// beginning to end.
func (r *Registry) PullRules(by policy.Requester, repository string) policy.ArtifactRules {
	return r.Policies().Artifacts.For(by, policy.Pull, repository)
}

// MayList fails where a list of manifests may have some that the rules keep from
// the caller: one of all there are, or of certain artifact types. What it says
// follows from the rules alone, so that it tells nothing of the repository.
func (r *Registry) MayList(rules policy.ArtifactRules, types []string) error {
	if decision := rules.Listing(types); decision.Denied {
		return artifactDenied(decision, "manifests of this repository can't be listed here")
	}
	return nil
}

// MayPullRecorded fails where the rules keep a manifest from the caller that the
// index knows. Of one that it doesn't know, and where it fails, known is false.
func (r *Registry) MayPullRecorded(ctx context.Context, caller *Caller, rules policy.ArtifactRules, manifest digest.Digest) (known bool, err error) {
	if len(rules) == 0 || manifest == "" {
		return false, nil
	}
	record, err := r.store.Get(ctx, caller.repository, manifest)
	if err != nil {
		return false, nil //nolint:nilerr // Whatever is the matter, the registry has the manifest.
	}
	return true, judgePulled(rules, record.Manifest)
}

// judgePulled fails where the rules keep a manifest from whoever pulls it.
func judgePulled(rules policy.ArtifactRules, manifest index.Manifest) error {
	if decision := rules.Judge(artifactOf(manifest)); decision.Denied {
		return artifactDenied(decision, "this manifest can't be pulled here")
	}
	return nil
}

// Pulled is an answer of the upstream to a pull, before the client has anything of
// it.
type Pulled struct {
	Caller *Caller
	// Rules are those of [Registry.PullRules].
	Rules policy.ArtifactRules
	Reference
	Method   string
	Response *http.Response
	// Mark is from before the upstream was asked; Marked is false where the index
	// could not be had.
	Mark   index.Mark
	Marked bool
}

// MayPull fails where the rules keep the manifest from the caller that an answer
// brings, or shows to be there. What the upstream refuses passes: nothing is shown
// by it. A manifest is told by its record, else by the very bytes that are on
// their way, which are held then until giveBack is called; where these are not
// sent, or not as they are, it is fetched as the caller. One that can't be read is
// kept by any rule.
func (r *Registry) MayPull(ctx context.Context, pulled Pulled) (giveBack func(), err error) {
	nothing := func() {}
	if len(pulled.Rules) == 0 || !pulled.tells() {
		return nothing, nil
	}
	if known, err := r.MayPullRecorded(ctx, pulled.Caller, pulled.Rules, pulled.Digest); known {
		return nothing, err
	}
	if pulled.whole() {
		return r.judgeBody(ctx, pulled)
	}
	manifest, err := r.fetchPulled(ctx, pulled)
	if err != nil {
		return nothing, err
	}
	return nothing, r.judgeUnder(pulled, manifest)
}

// tells tells whether an answer tells anything of a manifest: a condition that is
// lost says which one is there.
func (p *Pulled) tells() bool {
	status := p.Response.StatusCode
	return status < http.StatusBadRequest || status == http.StatusPreconditionFailed || status == http.StatusRequestedRangeNotSatisfiable
}

// whole tells whether an answer brings the manifest's own bytes, all of them.
func (p *Pulled) whole() bool {
	return p.Method == http.MethodGet && p.Response.StatusCode == http.StatusOK && p.Response.Header.Get("Content-Encoding") == ""
}

// judgeUnder judges a manifest that is pulled. Where referrers tags are not read
// for what they are (referrers.fallbackTags: off) an index under such a tag may
// list anything.
func (r *Registry) judgeUnder(pulled Pulled, manifest index.Manifest) error {
	if !r.options.ReferrersTags && oci.IsReferrersTag(pulled.Tag) && manifest.MediaType == oci.MediaTypeImageIndex &&
		manifest.Subject() == "" && oci.ReferrersTag(manifest.Digest) != pulled.Tag {
		if err := r.MayList(pulled.Rules, nil); err != nil {
			return err
		}
	}
	return judgePulled(pulled.Rules, manifest)
}

// judgeBody judges the bytes of an answer, which can still be read, and makes the
// index know them: they show that the manifest is there.
func (r *Registry) judgeBody(ctx context.Context, pulled Pulled) (giveBack func(), err error) {
	resp, most := pulled.Response, r.Limits().Size
	giveBack = func() {}
	if resp.ContentLength > most {
		return giveBack, r.judgeUnder(pulled, index.Manifest{})
	}
	giveBack, err = r.memory.Take(ctx, RoomFor(resp, most))
	if err != nil {
		return func() {}, err
	}
	body, whole := readAhead(resp, most)
	if !whole && int64(len(body)) <= most {
		_, err := io.Copy(io.Discard, resp.Body)
		return giveBack, fmt.Errorf("%w: read manifest: %w", upstream.ErrUnreachable, err)
	}
	manifest, err := index.Manifest{}, error(nil)
	if whole {
		manifest, err = parse(r.Limits().Manifest, resp.Header.Get("Content-Type"), "", pulled.algorithm(), body)
	}
	if whole && err == nil && pulled.Marked && pulled.Caller.elsewhere == "" {
		r.recordPulled(ctx, pulled, manifest)
	}
	return giveBack, r.judgeUnder(pulled, manifest)
}

// recordPulled makes the index know a manifest that was pulled, unless it is not
// the one that was asked for.
func (r *Registry) recordPulled(ctx context.Context, pulled Pulled, manifest index.Manifest) {
	if pulled.Digest != "" && pulled.Digest != manifest.Digest {
		return
	}
	known, err := r.indexed(ctx, pulled.Caller, manifest.Digest)
	if err == nil && !known {
		err = r.record(ctx, pulled.Caller, pulled.Mark, manifest)
	}
	if err != nil {
		Note(ctx, zap.NamedError("notIndexed", err))
	}
}

func (p *Pulled) algorithm() digest.Algorithm {
	if p.Digest != "" {
		return p.Digest.Algorithm()
	}
	return digest.Canonical
}

// fetchPulled returns the manifest that an answer is about which does not bring it:
// the zero one where that can't be read, or nothing says which one it is.
func (r *Registry) fetchPulled(ctx context.Context, pulled Pulled) (index.Manifest, error) {
	name := stated(pulled.Response, pulled.Reference)
	reference := Reference{Digest: name}
	switch {
	case name == "" && pulled.brings():
		// What the tag stands for now need not be what is being sent.
		return index.Manifest{}, nil
	case name == "":
		reference = pulled.Reference
	default:
		r.LearnFrom(ctx, pulled.Caller, pulled.Reference, pulled.Response)
		if record, err := r.store.Get(ctx, pulled.Caller.repository, name); err == nil {
			return record.Manifest, nil
		}
	}
	giveBack, err := r.memory.Take(ctx, r.Limits().Size)
	if err != nil {
		return index.Manifest{}, err
	}
	defer giveBack()
	found, err := r.reader(pulled.Caller).Manifest(ctx, pulled.Caller.repository, reference.String())
	switch OutcomeOf(err) {
	case OutcomeRead:
		return found.Manifest, nil
	case OutcomeUnknown:
		return index.Manifest{}, err
	default:
		return index.Manifest{}, nil
	}
}

// brings tells whether an answer has a body that is of the manifest.
func (p *Pulled) brings() bool {
	return p.Method == http.MethodGet && p.Response.StatusCode < http.StatusMultipleChoices
}
