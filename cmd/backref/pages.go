package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/proxy"
	"github.com/backref/backref/proxy/admin"
	"github.com/backref/backref/proxy/ui"
	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/signin"
)

// pagesOfOperators is the path of the web page on the admin listener.
const pagesOfOperators = "/ui"

// pages are what the web pages of a server share, and what may change of them.
type pages struct {
	// sessionTTL is, as a [time.Duration], how long viewers stay signed in, and issuer who signs them in on a
	// page of its own; nil for nobody.
	sessionTTL atomic.Int64
	issuer     atomic.Pointer[signin.Code]
	signIns    *prometheus.CounterVec
}

// newSignIns returns the counter of what came of signing in on pages.
func newSignIns(metrics prometheus.Registerer) *prometheus.CounterVec {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "backref_page_sign_ins_total", Help: "Sign-ins on the web page, by page (public, admin) and result (accepted, refused, limited, failed).",
	}, []string{"page", "result"})
	metrics.MustRegister(counter)
	for _, page := range []string{pagePublic, pageAdmin} {
		for _, result := range ui.SignInResults() {
			counter.WithLabelValues(page, result)
		}
	}
	return counter
}

// The pages, as metrics have them.
const (
	pagePublic = "public"
	pageAdmin  = "admin"
)

// keySpan is how long sessions are sealed by one key; each is kept for as long again as
// a session may last.
const keySpan = 24 * time.Hour

// preparePages takes over what may change of the pages.
func (s *server) preparePages(cfg config.Config) (func(), error) {
	o, wanted, err := options.Code(cfg)
	if err != nil {
		return nil, err
	}
	var issuer *signin.Code
	if wanted {
		issuer = signin.NewCode(o, s.pages.issuer.Load())
	}
	return func() {
		s.pages.sessionTTL.Store(int64(cfg.UI.SessionTTL))
		s.pages.issuer.Store(issuer)
	}, nil
}

// operatorPages returns the web page of the admin listener; nil where it is off. Who
// may operate sees all.
func (s *server) operatorPages(door *proxy.Proxy, operations http.Handler) (http.Handler, error) {
	if !s.config.UI.Admin {
		return nil, nil
	}
	o := s.pageOptions(door)
	o.Base, o.Operations = pagesOfOperators, operations
	o.Place = func(r *http.Request) ui.Place {
		return ui.Place{Host: s.clientHost(r), Origin: originOf(r), Client: wrap.Proxies(nil).ClientNetwork(r)}
	}
	o.SignIn = s.signInOptions(pageAdmin, "backref_admin", &ui.Operators{
		Token:  s.adminToken,
		Proven: func(r *http.Request) bool { return admin.MayLook(r, s.adminToken()) },
		As:     func(ctx context.Context) context.Context { return proxy.Visitor{Operator: true}.As(ctx) },
	})
	o.SignIn.Strict = true
	pages, err := ui.New(o)
	if err != nil {
		return nil, err
	}
	s.background = append(s.background, pages.Run)
	return pages, nil
}

// publicPages returns the web page for those who reach the door as clients do.
func (s *server) publicPages(door *proxy.Proxy) (http.Handler, error) {
	o := s.pageOptions(door)
	o.Base = proxy.PagesPath
	o.Place = func(r *http.Request) ui.Place {
		reached := door.ClientURL(r, "")
		origin := url.URL{Scheme: reached.Scheme, Host: reached.Host}
		return ui.Place{Host: reached.Host, Prefix: door.ClientPrefix(r), Origin: origin.String(), Client: door.ClientAddress(r)}
	}
	accounts := &ui.Clients{
		Door: o.Door, Elsewhere: o.Elsewhere, BlockedRealms: o.BlockedRealms, Place: o.Place,
		Issuer: s.pages.issuer.Load,
		As: func(ctx context.Context, who policy.Client) context.Context {
			return proxy.Visitor{Client: who}.As(ctx)
		},
	}
	if s.config.Auth.Mode == config.AuthService {
		accounts.Who = door.Who
	}
	o.SignIn = s.signInOptions(pagePublic, "backref", accounts)
	return ui.New(o)
}

// pageOptions returns what all pages are made of.
func (s *server) pageOptions(door *proxy.Proxy) ui.Options {
	o := ui.Options{Door: wrap.Within(door), Elsewhere: elsewhere{s.upstream.Elsewhere(), s.config.Upstream.URL.Scheme == "https"}, Judge: s.judgeForPages, Log: s.log}
	if address := net.ParseIP(s.config.Upstream.URL.Hostname()); s.config.Upstream.URL.Hostname() == "localhost" || address != nil && address.IsLoopback() {
		// A registry on this machine may have its token service here too.
		o.BlockedRealms = []netip.Prefix{}
	}
	return o
}

// signInOptions returns how viewers sign in on pages whose cookies have names that begin
// so.
func (s *server) signInOptions(page, cookies string, accounts ui.Accounts) *ui.SignIn {
	keys := index.SessionKeys{Journal: s.store, Every: keySpan, Keep: 2*keySpan + time.Hour}
	return &ui.SignIn{
		Accounts: accounts, Keys: keys.Keys, Cookies: cookies,
		TTL:   func() time.Duration { return time.Duration(s.pages.sessionTTL.Load()) },
		Count: func(result string) { s.pages.signIns.WithLabelValues(page, result).Inc() },
	}
}

// errInTheClear says that a token service is not told a password.
var errInTheClear = errors.New("the registry is spoken to by TLS, and its token service is not: no password is sent there")

// elsewhere is the way to where the door refers clients to. A viewer's password doesn't
// go in the clear to the token service of a registry that is spoken to by TLS.
type elsewhere struct {
	http.RoundTripper
	secure bool
}

// RoundTrip implements [http.RoundTripper].
func (e elsewhere) RoundTrip(req *http.Request) (*http.Response, error) {
	if e.secure && req.URL.Scheme != "https" && req.Header.Get("Authorization") != "" {
		return nil, errInTheClear
	}
	return e.RoundTripper.RoundTrip(req)
}

// originOf returns the origin of a request to the admin listener.
func originOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// clientHost returns how registry clients call the registry, as far as a request to the
// admin listener tells: server.publicURL, else the same machine at the port of
// server.listen.
func (s *server) clientHost(r *http.Request) string {
	if public := s.config.Server.PublicURL; public != nil {
		return public.Host
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	_, port, err := net.SplitHostPort(s.front.Addr().String())
	if err != nil || port == "" {
		return host
	}
	return net.JoinHostPort(host, port)
}
