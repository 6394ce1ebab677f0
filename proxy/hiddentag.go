package proxy

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/config"
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

func newHiddenTags(cfg config.Referrers) hiddenTags {
	return hiddenTags{cfg.HiddenTags, newCache[string, struct{}](nativeFor, nativeRepositories)}
}

// wanted tells whether a referrer that is pushed needs a hidden tag: where it
// is pushed by tag it has one that its client chose.
func (h *hiddenTags) wanted(push push) bool {
	if !h.on || push.target.digest == "" {
		return false
	}
	_, native := h.native.GetIfPresent(push.target.repository)
	return !native
}

// noteNative remembers a repository whose registry answers a push as one that
// has the referrers API, and tells whether it did.
func (h *hiddenTags) noteNative(push push, resp *http.Response) bool {
	if resp == nil || !accepted(resp) || resp.Header.Get("OCI-Subject") == "" {
		return false
	}
	h.native.Set(push.target.repository, struct{}{})
	return true
}

// sendReferrer sends the push of a manifest with a subject. One by digest is
// sent under its hidden tag instead, where that is the same thing to the
// client; where it isn't, or the registry refuses the tag, by its digest.
func (p *Proxy) sendReferrer(r *http.Request, push push) (*http.Response, error) {
	if !p.hiddenTags.wanted(push) {
		return p.sendManifest(r, push)
	}
	tag := oci.HiddenTag(push.target.digest)
	refusal := ""
	switch {
	case push.target.digest.Algorithm() != digest.Canonical:
		// What a tag stands for has a digest of the registry's choice.
		refusal = "a tag stands for no digest of this algorithm"
	case tellsNoMore(r):
		resp, err := p.sendManifest(withReference(r, push.target.repository, tag), push)
		if err != nil || !mayMeanTheTag(resp) {
			return p.held(resp, push, tag), err
		}
		refusal = refusalOf(resp)
	}
	resp, err := p.sendManifest(r, push)
	if err != nil || !accepted(resp) {
		return resp, err
	}
	if p.hiddenTags.noteNative(push, resp) {
		return resp, nil
	}
	if refusal == "" {
		refusal = p.tagToo(r, push, tag)
	}
	p.countHidden(r, push, p.standsAlready(r, push, tag, refusal))
	return resp, nil
}

// tellsNoMore tells whether a push by digest says nothing that a push by tag
// would say differently: a condition is about what its reference stands for,
// and parameters may name tags. A namespace is said of either.
func tellsNoMore(r *http.Request) bool {
	if slices.ContainsFunc(conditional(), func(name string) bool { return len(r.Header[name]) > 0 }) {
		return false
	}
	query, err := parameters(r)
	if err != nil {
		return false
	}
	query.Del(paramNamespace)
	return len(query) == 0
}

// conditional are the headers that make a request depend on what there is, in
// canonical form.
func conditional() []string {
	return []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}
}

// withReference returns a request for another manifest of the repository.
func withReference(r *http.Request, repository, reference string) *http.Request {
	other := r.WithContext(r.Context())
	other.URL = &url.URL{Path: "/v2/" + repository + "/manifests/" + reference, RawQuery: r.URL.RawQuery}
	return other
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
func (p *Proxy) held(resp *http.Response, push push, tag string) *http.Response {
	if resp == nil || !accepted(resp) {
		return resp
	}
	p.hiddenTags.noteNative(push, resp)
	p.metrics.hiddenTags.WithLabelValues("given").Inc()
	if resp.Header.Get("Docker-Content-Digest") == "" {
		resp.Header.Set("Docker-Content-Digest", push.target.digest.String())
	}
	if below, named := strings.CutSuffix(resp.Header.Get("Location"), "/"+tag); named {
		resp.Header.Set("Location", below+"/"+push.target.digest.String())
	}
	return resp
}

// tagToo gives a referrer its hidden tag that the registry has by its digest
// already, and returns the registry's refusal; empty where there is none.
func (p *Proxy) tagToo(r *http.Request, push push, tag string) (refusal string) {
	plain := withReference(r, push.target.repository, tag)
	plain.URL.RawQuery = url.Values{paramNamespace: r.URL.Query()[paramNamespace]}.Encode()
	plain.Header = r.Header.Clone()
	for _, name := range conditional() {
		plain.Header.Del(name)
	}
	resp, err := p.sendBody(plain, push.body)
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

// standsAlready returns no refusal where the hidden tag is there all the same:
// some registries let no tag be pushed twice.
func (p *Proxy) standsAlready(r *http.Request, push push, tag, refusal string) string {
	if refusal == "" || push.target.digest.Algorithm() != digest.Canonical {
		return refusal
	}
	current, err := p.upstream.Resolve(r.Context(), p.credentials(r), push.target.repository, tag)
	if err == nil && current == push.target.digest {
		return ""
	}
	return refusal
}

// countHidden says what became of a referrer's hidden tag. To the client its
// push went well; that it is held by nothing is for the operator to know.
func (p *Proxy) countHidden(r *http.Request, push push, refusal string) {
	if refusal == "" {
		p.metrics.hiddenTags.WithLabelValues("given").Inc()
		return
	}
	p.metrics.hiddenTags.WithLabelValues("refused").Inc()
	p.log.Warn("referrer has no hidden tag: garbage collection of the registry may drop it, and a rebuild may not find it",
		zap.String("request", requestID(r)), zap.String("repository", push.target.repository),
		zap.Stringer("digest", push.target.digest), zap.String("reason", refusal))
	if push.target.foreign && !p.hasUnnamed(r, push.target, push.target.digest) {
		return // The index knows nothing of it.
	}
	if err := p.store.SetUnheld(detached(r), push.target.repository, push.target.digest, true); err != nil {
		note(r, zap.NamedError("unheld", err))
	}
}
