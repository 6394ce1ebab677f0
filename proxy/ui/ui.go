package ui

import (
	"errors"
	"html/template"
	"net/http"
	"net/netip"
	"strings"

	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/backref/backref/client"
)

// Options are what the pages are made of. Door, Elsewhere, Place, Log and one of Viewers
// and SignIn are required.
type Options struct {
	// Base is the path below which the pages are, without a slash at the end: "/ui".
	Base string
	// Door answers what pages ask, as it answers registry clients.
	Door http.Handler
	// Elsewhere is the way to hosts that the door refers clients to.
	Elsewhere http.RoundTripper
	// BlockedRealms are where no token service may be that the door names; nil for this
	// machine and the like (package client, Options).
	BlockedRealms []netip.Prefix
	// Viewers tells who looks, where SignIn doesn't.
	Viewers Viewers
	// SignIn is how viewers sign in, and tells who looks; nil where nobody does.
	SignIn *SignIn
	// Operations is the admin API, for pages that only operators see; nil for none of
	// these.
	Operations http.Handler
	// Place tells where the viewer finds what is served.
	Place func(r *http.Request) Place
	// Judge tells who signed; nil where no signers are configured.
	Judge Judge
	Log   *zap.Logger
}

// Place is where a viewer finds the pages and the registry.
type Place struct {
	// Host is the registry's, with its port, as the viewer's clients call it.
	Host string
	// Prefix is what stands before the paths of pages, where a proxy before takes it
	// away; else empty.
	Prefix string
	// Origin is that of the pages, as the viewer's browser has it: scheme, host and port
	// (RFC 6454).
	Origin string
	// Client is the address that the viewer counts by: for IPv6 that of a network.
	Client netip.Addr
}

// Secure tells whether the viewer came by https.
func (p Place) Secure() bool { return strings.HasPrefix(p.Origin, "https://") }

// UI serves the pages. It is an [http.Handler] for all paths below Options.Base, and
// may be used concurrently.
type UI struct {
	options   Options
	handler   http.Handler
	templates map[string]*template.Template
	// signIn is nil where nobody signs in.
	signIn *signIn
	works  works
}

// New returns the pages. It fails where an option is missing.
func New(o Options) (*UI, error) {
	if o.Door == nil || o.Elsewhere == nil || o.Place == nil || o.Log == nil || (o.Viewers == nil) == (o.SignIn == nil) {
		return nil, errors.New("ui: Door, Elsewhere, Place, Log and one of Viewers and SignIn are required")
	}
	u := &UI{options: o}
	var err error
	if u.signIn, err = newSignIn(u); err != nil {
		return nil, err
	}
	if u.signIn != nil {
		u.options.Viewers = u.signIn
	}
	if u.templates, err = readTemplates(); err != nil {
		return nil, err
	}
	u.handler = u.routes()
	return u, nil
}

// ServeHTTP implements [http.Handler].
func (u *UI) ServeHTTP(w http.ResponseWriter, r *http.Request) { u.handler.ServeHTTP(w, r) }

// routes is the table of pages. The name of a repository may have slashes; what is
// behind it begins with /-/, which no name has.
//
//	/                                       to /repositories
//	/repositories?q=&after=                 the repositories
//	/r/<name>                               a repository: its tags (and all of views.go)
//	/assets/<file>                          style and script of the pages
//	/sign-in, /sign-out                     where viewers sign in
func (u *UI) routes() http.Handler {
	router := chi.NewRouter()
	router.Use(u.protect)
	router.Route(u.options.Base, func(pages chi.Router) {
		pages.Get("/", u.toStart)
		pages.Get("/repositories", u.page("repositories", (*visit).repositories))
		pages.Get("/r/*", u.inRepository)
		pages.Get("/assets/{file}", serveAsset)
		if u.signIn != nil {
			u.signIn.routes(pages)
		}
		if u.options.Operations != nil {
			u.operations(pages)
		}
	})
	router.NotFound(u.page("error", func(*visit) (any, error) { return nil, errNoPage }))
	return router
}

// toStart leads to the first page.
func (u *UI) toStart(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, u.options.Place(r).Prefix+u.options.Base+"/repositories", http.StatusSeeOther)
}

// visit is one look of a viewer at a page.
type visit struct {
	ui      *UI
	request *http.Request
	viewer  Viewer
	client  *client.Client
	place   Place

	// view is the page of a repository that is looked at, about what follows its
	// name; set where there is one.
	view        view
	name, about string
	repo        *client.Repository
}

// base is what the paths of pages begin with, as the viewer has it.
func (v *visit) base() string { return v.place.Prefix + v.ui.options.Base }

// begin finds out who looks, and gives them a client of the door.
func (u *UI) begin(r *http.Request) (*visit, error) {
	v := &visit{ui: u, request: r, place: u.options.Place(r)}
	var err error
	if v.viewer, err = u.options.Viewers.Viewer(r); err != nil {
		return v, err
	}
	plain := true
	v.client, err = client.New(client.Options{
		PlainHTTP: &plain, UserAgent: "backref", Once: true,
		Way:        inProcess{door: u.options.Door, host: hostOf(v.place), elsewhere: u.options.Elsewhere, viewer: r, as: v.viewer.As},
		Credential: auth.StaticCredential(hostOf(v.place), v.viewer.Credential), Tokens: v.viewer.Tokens, BlockedRealms: u.options.BlockedRealms,
	})
	return v, err
}

// repository returns a repository of the registry, as the viewer sees it.
func (v *visit) repository(name string) *client.Repository {
	return v.client.Repository(client.Reference{Host: v.place.Host, Repository: name})
}
