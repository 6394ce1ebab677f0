package registry

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/oci"
)

// hiddenTags gives each referrer that is pushed by digest a tag of its own, by
// which the registry's API lists it and its garbage collection spares it: see
// [oci.HiddenTag]. The tag is written with the client's own right, by the
// push itself.
type hiddenTags struct {
	on bool
	// native are the repositories in which the registry is known to have the
	// referrers API itself, and so to keep referrers without a tag.
	native *otter.Cache[string, struct{}]
}

// nativeFor is how long a repository counts as one whose registry keeps
// referrers itself.
const (
	nativeFor          = time.Hour
	nativeRepositories = 10_000
	// maxRefusal is how much of a registry's refusal of a tag is logged.
	maxRefusal = 1 << 10
)

func newHiddenTags(on bool) hiddenTags {
	return hiddenTags{on, newCache[string, struct{}](nativeFor, nativeRepositories)}
}

// wanted tells whether a referrer that is pushed needs a hidden tag: where it
// is pushed by tag it has one that its client chose.
func (h *hiddenTags) wanted(push *Push) bool {
	if !h.on || push.Digest == "" {
		return false
	}
	_, native := h.native.GetIfPresent(push.Caller.repository)
	return !native
}

// noteNative remembers a repository whose registry answers a push as one that
// has the referrers API, and tells whether it did.
func (h *hiddenTags) noteNative(push *Push, resp *http.Response) bool {
	if resp == nil || !accepted(resp) || resp.Header.Get("OCI-Subject") == "" {
		return false
	}
	h.native.Set(push.Caller.repository, struct{}{})
	return true
}

// hidden is the [Writer] that gives referrers their hidden tags, and takes them
// away where a delete needs it.
type hidden struct {
	registry *Registry
	next     Writer
}

// Push implements [Writer]. A referrer that is pushed by digest is sent under its
// hidden tag instead, where that is the same thing to the client; where it isn't,
// or the registry refuses the tag, by its digest.
func (w hidden) Push(ctx context.Context, push *Push) (*http.Response, error) {
	r := w.registry
	if !push.Known || push.Manifest.Subject() == "" || !r.hidden.wanted(push) {
		return w.next.Push(ctx, push)
	}
	tag := oci.HiddenTag(push.Digest)
	refusal := ""
	switch {
	case push.Digest.Algorithm() != digest.Canonical:
		// What a tag stands for has a digest of the registry's choice.
		refusal = "a tag stands for no digest of this algorithm"
	case tellsNoMore(push):
		tagged := *push
		tagged.Reference = Reference{Tag: tag}
		resp, err := w.next.Push(ctx, &tagged)
		if err != nil || !mayMeanTheTag(resp) {
			return r.held(resp, push, tag), err
		}
		refusal = refusalOf(resp)
	}
	resp, err := w.next.Push(ctx, push)
	if err != nil || !accepted(resp) {
		return resp, err
	}
	if r.hidden.noteNative(push, resp) {
		return resp, nil
	}
	if refusal == "" {
		refusal = tagToo(ctx, push, tag)
	}
	r.countHidden(ctx, push, r.standsAlready(ctx, push, refusal))
	return resp, nil
}

// tellsNoMore tells whether a push by digest says nothing that a push by tag
// would say differently: a condition is about what its reference stands for,
// and parameters may name tags. A namespace is said of either.
func tellsNoMore(push *Push) bool {
	if slices.ContainsFunc(conditional(), func(name string) bool { return len(push.Header[name]) > 0 }) {
		return false
	}
	query, err := url.ParseQuery(push.RawQuery)
	if err != nil {
		return false
	}
	query.Del(ParamNamespace)
	return len(query) == 0
}

// conditional are the headers that make a request depend on what there is, in
// canonical form.
func conditional() []string {
	return []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}
}

// mayMeanTheTag tells whether the registry refused a push by something that
// may be about the tag alone, such as a rule for tags.
func mayMeanTheTag(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusConflict, http.StatusPreconditionFailed, http.StatusUnprocessableEntity:
		return true
	default:
		return false
	}
}

// held makes the answer to a push under a hidden tag the one to the client's
// push by digest.
func (r *Registry) held(resp *http.Response, push *Push, tag string) *http.Response {
	if resp == nil || !accepted(resp) {
		return resp
	}
	r.hidden.noteNative(push, resp)
	r.metrics.hiddenTags.WithLabelValues("given").Inc()
	if resp.Header.Get("Docker-Content-Digest") == "" {
		resp.Header.Set("Docker-Content-Digest", push.Digest.String())
	}
	if below, named := strings.CutSuffix(resp.Header.Get("Location"), "/"+tag); named {
		resp.Header.Set("Location", below+"/"+push.Digest.String())
	}
	return resp
}

// tagToo gives a referrer its hidden tag that the registry has by its digest
// already, and returns the registry's refusal; empty where there is none.
func tagToo(ctx context.Context, push *Push, tag string) (refusal string) {
	// What can't be read of the query names no registry.
	query, _ := url.ParseQuery(push.RawQuery)
	header := push.Header.Clone()
	for _, name := range conditional() {
		header.Del(name)
	}
	resp, err := push.Send(ctx, Outgoing{
		Reference: tag, Header: header, RawQuery: url.Values{ParamNamespace: query[ParamNamespace]}.Encode(), Body: push.Body,
	})
	switch {
	case err != nil:
		return err.Error()
	case accepted(resp):
		_ = resp.Body.Close()
		return ""
	default:
		return refusalOf(resp)
	}
}

// refusalOf reads what the registry said when it refused a push.
func refusalOf(resp *http.Response) string {
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err != nil {
		said = nil
	}
	return strings.TrimSpace(resp.Status + " " + string(said))
}

// standsAlready returns no refusal where a tag is there all the same: some registries
// let no tag be pushed twice, and a referrer of another algorithm's digest may be kept
// under a tag of its own.
func (r *Registry) standsAlready(ctx context.Context, push *Push, refusal string) string {
	if refusal == "" {
		return ""
	}
	tag := oci.HiddenTag(push.Digest)
	if push.Digest.Algorithm() != digest.Canonical {
		tag = oci.KeptTag(push.Digest)
	}
	current, err := r.upstream.Resolve(ctx, push.Caller.as, push.Caller.repository, tag)
	if err == nil && current == push.Digest {
		return ""
	}
	return refusal
}

// countHidden says what became of a referrer's hidden tag. To the client its
// push went well; that it is held by nothing is for the operator to know.
func (r *Registry) countHidden(ctx context.Context, push *Push, refusal string) {
	if refusal == "" {
		r.metrics.hiddenTags.WithLabelValues("given").Inc()
		return
	}
	r.metrics.hiddenTags.WithLabelValues("refused").Inc()
	r.log.Warn("referrer has no hidden tag: garbage collection of the registry may drop it, and a rebuild may not find it",
		requestField(ctx), zap.String("repository", push.Caller.repository),
		zap.Stringer("digest", push.Digest), zap.String("reason", refusal))
	if push.Caller.elsewhere != "" && !r.upstreamHas(ctx, push.Caller, push.Digest) {
		return // The index knows nothing of it.
	}
	if err := r.store.SetUnheld(context.WithoutCancel(ctx), push.Caller.repository, push.Digest, true); err != nil {
		Note(ctx, zap.NamedError("unheld", err))
	}
}
