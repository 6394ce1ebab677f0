package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/upstream"
)

// door is what the registry's answer to /v2/ shows beside what it says.
type door struct {
	asked, answered time.Time
	response        *http.Response
}

// upstreamChecks look at the registry, and only read from it.
func (d *doctor) upstreamChecks() []check {
	return []check{
		{"upstream.answers", d.checkAnswers},
		{"upstream.tls", d.checkUpstreamTLS},
		{"upstream.realm", d.needing(d.checkRealm)},
		{"upstream.sign-in", d.needing(d.checkSignIn)},
		{"upstream.token", d.needing(d.checkToken)},
		{"upstream.catalog", d.needing(d.checkCatalog)},
		{"upstream.pages", d.needing(d.checkPages)},
		{"upstream.referrers", d.needing(d.checkReferrers)},
		{"upstream.deletes", d.needing(d.checkDeletes)},
		{"upstream.beside", d.checkBeside},
	}
}

// needing is a check that needs a registry that answers.
func (d *doctor) needing(look func(context.Context) finding) func(context.Context) []finding {
	return func(ctx context.Context) []finding {
		if d.unusable != "" {
			return one(notCheckedf("%s", d.unusable))
		}
		return one(look(ctx))
	}
}

// checkAnswers asks whether the registry is there. Whether it takes credentials
// another check tells.
func (d *doctor) checkAnswers(ctx context.Context) []finding {
	if d.cfg.Upstream.URL == nil {
		d.unusable = "upstream.url is not set"
		return one(notCheckedf("%s", d.unusable).advise("give the server's configuration by --config, or the registry by --upstream"))
	}
	to := options.Upstream(d.cfg.Upstream)
	// By package net/http answers show how TLS was spoken.
	to.StandardTransport = true
	var err error
	if d.registry, err = upstream.New(to); err != nil {
		d.unusable = "the registry can't be asked by this configuration"
		return one(failf("%v", err).advise("mend the key that is named"))
	}
	fault := d.registry.Check(ctx)
	if fault != nil && !isSignIn(fault.Reason) {
		d.unusable = "the registry can't be used"
		return one(failf("%s: %v", d.cfg.Upstream.URL.Redacted(), fault.Unwrap()).advise("%s", fault.Mend()))
	}
	d.knock(ctx)
	return one(okf("%s answers /v2/", d.cfg.Upstream.URL.Redacted()))
}

// isSignIn tells whether a registry is there, and wants to know who asks.
func isSignIn(reason upstream.Reason) bool {
	switch reason {
	case upstream.ReasonChallenge, upstream.ReasonTokenService, upstream.ReasonNoCredentials, upstream.ReasonCredentials:
		return true
	default:
		return false
	}
}

// knock keeps what an answer to /v2/ shows.
func (d *doctor) knock(ctx context.Context) {
	asked := d.now()
	resp, err := d.registry.RoundTrip(newQuestion(ctx, http.MethodGet, "/v2/", nil))
	if err != nil {
		return
	}
	d.door = door{asked: asked, answered: d.now(), response: resp}
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
}

// newQuestion returns a request that only reads, with a path as a client writes it.
func newQuestion(ctx context.Context, method, path string, query url.Values) *http.Request {
	return (&http.Request{
		Method: method, URL: &url.URL{Path: path, RawQuery: query.Encode()}, Header: http.Header{"User-Agent": {"backref"}},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
}

// checkUpstreamTLS looks at the certificate that the registry shows.
func (d *doctor) checkUpstreamTLS(context.Context) []finding {
	u := d.cfg.Upstream.URL
	switch {
	case u == nil:
		return one(notCheckedf("%s", d.unusable))
	case u.Scheme == "http" && d.cfg.Upstream.Service.Configured() && !d.cfg.Upstream.Service.Anonymous && !onLoopback(u.Host) && !onLoopback(u.Host+":80"):
		return one(warnf("upstream.url begins with http://: the password of upstream.service, and those of clients, go in the clear").
			advise("have the registry serve HTTPS and begin upstream.url with https://, unless the network between is its own"))
	case u.Scheme == "http":
		return one(okf("plain HTTP"))
	case d.unusable != "":
		return one(notCheckedf("%s", d.unusable))
	case d.door.response == nil || d.door.response.TLS == nil || len(d.door.response.TLS.VerifiedChains) == 0:
		return one(notCheckedf("the answer does not show a certificate"))
	}
	return one(judgeChain(d.door.response.TLS.VerifiedChains[0], d.now()))
}

// checkSignIn tells whether the registry takes the service's credentials.
func (d *doctor) checkSignIn(ctx context.Context) finding {
	fault := d.registry.Check(ctx)
	service := d.cfg.Upstream.Service
	switch {
	case fault != nil:
		d.unusable = "the registry does not let upstream.service in"
		return failf("%v", fault.Unwrap()).advise("%s", fault.Mend())
	case service.Anonymous:
		return okf("anyone may read, as upstream.service.anonymous says")
	case !service.Configured():
		return notCheckedf("upstream.service is not set")
	}
	if accepted, known := d.registry.Accepts(ctx); known && accepted {
		return okf("the registry takes the credentials of upstream.service")
	}
	return notCheckedf("the registry lets anyone in at its door, so that it does not show whether it takes the credentials of upstream.service")
}

// leastToken is how long a token has to hold at least (registry token protocol,
// "Token Response Fields").
const leastToken = time.Minute

// checkToken tells how long the service's token holds.
func (d *doctor) checkToken(ctx context.Context) finding {
	life, used := d.registry.TokenLife(ctx)
	switch {
	case !used:
		return notCheckedf("no token was fetched")
	case life == 0:
		return okf("the token does not say how long it holds; it counts as a minute")
	case life < leastToken:
		return warnf("a token holds for %s, less than a minute: large pushes may outlive it", life).advise("have the token service give tokens for five minutes or so")
	default:
		return okf("a token holds for %s", life)
	}
}

// sample is how many repositories are asked for.
const sample = 100

// checkCatalog tells whether the repositories can be listed, and keeps one of them.
func (d *doctor) checkCatalog(ctx context.Context) finding {
	as, _ := d.registry.Service()
	seen := 0
	for repository, err := range d.registry.Repositories(ctx, as, sample) {
		if errors.Is(err, upstream.ErrListTooLong) {
			break
		}
		if err != nil {
			return warnf("%v", err).advise("give the user of upstream.service the right to the catalog; else name the repositories of a rebuild by backref index rebuild --repositories-from")
		}
		if seen++; d.repository == "" {
			d.repository = repository
		}
		if seen == sample {
			return okf("can be read, with %d repositories or more", sample)
		}
	}
	return okf("can be read, with %d repositories", seen)
}

// checkPages tells whether the registry cuts lists as it is asked to.
func (d *doctor) checkPages(ctx context.Context) finding {
	if d.repository == "" {
		return notCheckedf("no repository is known")
	}
	resp, body, err := d.ask(ctx, http.MethodGet, "/v2/_catalog", url.Values{"n": {"1"}})
	if err != nil {
		return warnf("%v", err).advise("see the log of the registry")
	}
	var page struct{ Repositories []string }
	if err := json.Unmarshal(body, &page); err != nil || resp.StatusCode != http.StatusOK {
		return notCheckedf("the catalog by pages of one is answered %s", resp.Status)
	}
	return judgePages(len(page.Repositories), resp.Header.Get("Link") != "")
}

// judgePages judges by a list of which one entry was asked for.
func judgePages(entries int, linked bool) finding {
	switch {
	case entries > 1:
		return okf("the registry sends lists whole, whatever n is; backref cuts them, and reads no more than limits.tagListSize")
	case linked:
		return okf("the registry cuts lists by n and links to the next page")
	default:
		return notCheckedf("the list is too short to be cut")
	}
}

// checkReferrers tells whether the registry has the referrers API.
func (d *doctor) checkReferrers(ctx context.Context) finding {
	if d.repository == "" {
		return notCheckedf("no repository is known")
	}
	as, _ := d.registry.Service()
	_, err := d.registry.Referrers(ctx, as, d.repository, digest.FromString(""), 1)
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return okf("the registry may have no referrers API: it has none for an image that it lacks; backref asks it for each subject")
	case errors.Is(err, upstream.ErrNoReferrers):
		return okf("the registry has no referrers API: backref answers by its index")
	case err != nil:
		return warnf("%v", err).advise("give the user of upstream.service the right to pull everywhere, or see the log of the registry")
	default:
		return okf("the registry has the referrers API: backref adds what it lists")
	}
}

// checkDeletes tells whether the registry says that manifests can be deleted.
func (d *doctor) checkDeletes(ctx context.Context) finding {
	if d.repository == "" {
		return notCheckedf("no repository is known")
	}
	resp, _, err := d.ask(ctx, http.MethodOptions, "/v2/"+d.repository+"/manifests/"+digest.FromString("").String(), nil)
	if err != nil {
		return notCheckedf("OPTIONS is not answered: %v", err)
	}
	return judgeDeletes(resp.StatusCode, resp.Header.Values("Allow"))
}

// judgeDeletes judges by the answer to OPTIONS for a manifest.
func judgeDeletes(status int, allow []string) finding {
	named := strings.ToUpper(strings.Join(allow, ","))
	switch {
	case named == "" || status == http.StatusNotFound || status >= http.StatusInternalServerError:
		return notCheckedf("the registry does not say which methods it allows (OPTIONS is answered %d)", status)
	case strings.Contains(named, http.MethodDelete):
		return okf("the registry names DELETE for manifests; only a delete shows whether it is switched on (storage.delete.enabled of CNCF Distribution)")
	default:
		return warnf("the registry allows no deletes of manifests: it names %s", strings.Join(allow, ", ")).
			advise("where referrers are to be deleted, switch deletes on in the registry (storage.delete.enabled of CNCF Distribution)")
	}
}

// ask asks the registry as the service, and returns the beginning of the body.
func (d *doctor) ask(ctx context.Context, method, path string, query url.Values) (*http.Response, []byte, error) {
	as, _ := d.registry.Service()
	resp, err := d.registry.Send(as, newQuestion(ctx, method, path, query))
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	return resp, body, errors.Join(err, resp.Body.Close())
}
