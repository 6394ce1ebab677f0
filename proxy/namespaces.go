package proxy

import (
	"net/http"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// paramNamespace is the parameter by which clients of a mirror name the
// registry that they mean (containerd, "Registry Host Namespace").
const paramNamespace = "ns"

// maxNamespace bounds such a name; those of hosts are shorter.
const maxNamespace = 255

// namespaces are the names, in lower case, that the upstream is known to go by.
// The index and all that is remembered of a repository is what the upstream
// says to those who give no name, or one of these.
//
// Of another name nobody knows what the upstream makes of it: most registries
// ignore it, and a cache of several keeps each apart. So nothing that was
// learnt of the upstream is believed of that name, and nothing that is learnt
// under the name is believed of the upstream; each is asked. That is cheap
// where it counts: a manifest is what its digest says under any name, so of
// what the index knows only that it is there has to be asked.
type namespaces map[string]bool

func newNamespaces(cfg config.Upstream) namespaces {
	known := namespaces{strings.ToLower(cfg.URL.Host): true}
	for _, name := range cfg.Namespaces {
		known[strings.ToLower(name)] = true
	}
	return known
}

// named adds the registry that a request is about to its path. Requests that
// only pass through take it along with their query.
func (p *Proxy) named(r *http.Request, target path) (path, error) {
	if !p.endpoints[target.endpoint].named || !mayName(r.URL.RawQuery) {
		return target, nil
	}
	values, err := parameters(r)
	if err != nil {
		return target, err
	}
	name, err := oneParam(values, paramNamespace)
	if err != nil || name == "" {
		return target, err
	}
	if len(name) > maxNamespace {
		return target, &index.QueryError{Param: paramNamespace, Reason: "need the name of a registry, 255 bytes at most"}
	}
	target.namespace, target.foreign = name, !p.namespaces[strings.ToLower(name)]
	if target.foreign && slices.Contains(extensionEndpoints(), target.endpoint) {
		return target, &index.QueryError{
			Param: paramNamespace, Reason: "this proxy doesn't know whether the registry behind it goes by that name; leave it out, or have the operator add it to upstream.namespaces",
		}
	}
	entryOf(r).path = target
	return target, nil
}

// mayName tells whether a query may name a registry, to any reader. It takes no
// memory.
func mayName(query string) bool {
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if name == paramNamespace || strings.ContainsAny(name, "%+") || strings.Contains(part, ";") {
			return true
		}
	}
	return false
}

// unnamed returns the client's credentials for questions about the upstream as the
// index knows it, whatever registry the client means.
func (p *Proxy) unnamed(r *http.Request, target path) upstream.Credentials {
	as := p.credentials(r)
	if target.foreign {
		as = as.Within("")
	}
	return as
}

// elsewhere returns the registry that a request means, where that is not known
// to be the upstream.
func (t path) elsewhere() string {
	if t.foreign {
		return t.namespace
	}
	return ""
}

// nameWithin names a manifest for what is remembered of it under the name of
// another registry, or of none. No repository has a space.
func nameWithin(elsewhere, repository string, manifest digest.Digest) manifestName {
	if elsewhere != "" {
		repository = elsewhere + " " + repository
	}
	return manifestName{repository, manifest}
}

// pushElsewhere pushes a manifest to a registry that is not known to be the
// upstream. The index keeps it only if the upstream has it too: then it is a
// referrer under both names, and promised to be listed. Else the client is not
// told so, and keeps a referrers tag itself.
func (p *Proxy) pushElsewhere(w http.ResponseWriter, r *http.Request, push push) error {
	intent, announced := p.intentElsewhere(push)
	var begun *begun
	if announced {
		var err error
		if begun, err = p.begin(r, intent); err != nil {
			return err
		}
		defer begun.leave()
	}
	send := p.sendManifest
	if intent.Kind == index.IntentPush {
		send = p.sendReferrer
	}
	resp, err := send(r, push)
	if err != nil {
		if announced {
			begun.unknown()
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case !announced:
	case !accepted(resp):
		begun.end(resp)
	case intent.Kind == index.IntentPush && p.hasUnnamed(r, push.target, push.record.Digest):
		begun.confirm()
		resp.Header.Set("OCI-Subject", push.record.Subject().String())
	default:
		// That the upstream hides it from this client is possible too.
		begun.unknown()
	}
	return p.relay(w, r, resp)
}

// intentElsewhere returns what has to be announced of a push: it may be one to
// the upstream.
func (p *Proxy) intentElsewhere(push push) (index.Intent, bool) {
	switch {
	case push.record.Subject() != "":
		return index.Intent{Kind: index.IntentPush, Record: push.record}, true
	case oci.IsReferrersTag(push.target.tag) && p.config.Referrers.FallbackTags != config.FallbackOff:
		return index.Intent{
			Kind: index.IntentImport, Tag: push.target.tag, Record: index.Record{Repository: push.target.repository},
		}, true
	}
	return index.Intent{}, false
}

// hasUnnamed tells whether the upstream, as the index knows it, is seen to have
// a manifest.
func (p *Proxy) hasUnnamed(r *http.Request, target path, manifest digest.Digest) bool {
	present, err := p.upstream.Has(r.Context(), p.unnamed(r, target), target.repository, manifest)
	if err != nil {
		note(r, zap.NamedError("unnamed", err))
	}
	return present
}
