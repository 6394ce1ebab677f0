package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/signin"
	"github.com/backref/backref/upstream"
)

// access is auth.mode service: clients sign in to backref, rules say what they
// may do, and the registry sees the service's own credentials.
type access struct {
	present atomic.Pointer[entrance]
	// operators are the rules for operators.
	operators *policy.Access
	// handouts are where the registry has sent clients.
	handouts *handouts
}

// entrance is who lets clients in, and what they may do then. A request is judged
// by one from beginning to end.
type entrance struct {
	door  *signin.Door
	rules *policy.Access
}

// newAccess returns nil in auth.mode passthrough.
func newAccess(o Options) (*access, error) {
	if o.SignIn == nil {
		return nil, nil
	}
	a := &access{handouts: newHandouts()}
	a.present.Store(&entrance{o.SignIn, o.Registry.Rules})
	var err error
	a.operators, err = operatorRules()
	return a, err
}

// admit serves a request of auth.mode service if its client may make it.
func (p *Proxy) admit(w http.ResponseWriter, r *http.Request, target path) error {
	client, by, err := p.signIn(r)
	if err != nil {
		return err
	}
	e := entryOf(r)
	e.client, e.by = client, by
	if target.endpoint == endpointOther {
		if given, known := p.access.handouts.of(client, r); known {
			target, e.path = given, given
		}
	}
	route := p.routeOf(target, r.Method)
	switch {
	case target.endpoint == endpointBase:
		return by.base(w, client)
	case p.allows(r, by, client, route.need, target):
		return p.forwarded(w, r, target, by, client, route.handle)
	case client.Anonymous() && !by.door.Closed():
		return by.unauthorized("sign in to do this")
	case route.need.action == policy.Pull && !by.rules.Sees(client, target.repository):
		p.auditDenied(r, ruleAccess, "no rule lets the client see the repository")
		return p.unknownRepository(w, r, target)
	case target.endpoint == endpointOther:
		return notHandedOut(r.Method)
	default:
		return &oci.Error{
			Status: http.StatusForbidden, Code: oci.CodeDenied,
			Message: "you are not allowed to do this; ask the operator of this proxy for the right", Rule: ruleAccess,
		}
	}
}

// signIn finds out who makes a request, and by what it is judged. A visitor has been
// found out elsewhere.
func (p *Proxy) signIn(r *http.Request) (policy.Client, *entrance, error) {
	by := p.access.present.Load()
	switch visitor, _ := visitorOf(r); {
	case visitor.Operator:
		return operator(), &entrance{door: by.door, rules: p.access.operators}, nil
	case !visitor.Client.Anonymous():
		return visitor.Client, by, nil
	}
	client, err := by.door.Who(r.Context(), r.Header)
	p.metrics.signIns.WithLabelValues(signInResult(client, err)).Inc()
	if err != nil {
		return client, by, by.refuseSignIn(err)
	}
	return client, by, nil
}

// What came of looking who a client is, as the metrics have it.
const (
	signInAccepted  = "accepted"
	signInAnonymous = "anonymous"
	signInRefused   = "refused"
	signInFailed    = "failed"
)

func signInResult(client policy.Client, err error) string {
	switch {
	case errors.Is(err, signin.ErrRefused):
		return signInRefused
	case err != nil:
		return signInFailed
	case client.Anonymous():
		return signInAnonymous
	default:
		return signInAccepted
	}
}

// allows tells whether the rules allow what a request needs. Where that is
// something in a repository, the request has its caller from then on.
func (p *Proxy) allows(r *http.Request, by *entrance, client policy.Client, needs need, target path) bool {
	switch {
	case needs.everything:
		return by.rules.Administers(client)
	case needs.somewhere && by.rules.AllowsSomewhere(client, policy.Pull):
		return true
	case needs.signedIn, needs.somewhere, needs.action != "" && target.repository == "":
		return !client.Anonymous() || by.door.Closed()
	case needs.action == "":
		return false
	}
	caller := p.newCaller(r, target)
	if !p.registry.Admit(caller, by.rules, client, needs.action) {
		return false
	}
	entryOf(r).caller = caller
	return true
}

// forwarded serves a request that is allowed.
func (p *Proxy) forwarded(w http.ResponseWriter, r *http.Request, target path, by *entrance, client policy.Client, handle handler) error {
	if target.endpoint == endpointUploads {
		r = withoutForm(r)
		query, err := answer.Parameters(r)
		if err != nil {
			return err
		}
		if (query.Has("mount") || query.Has("from")) && !by.mayMount(client, query) {
			r = withoutMount(r, query)
		}
	}
	return handle(p, w, r, target)
}

// mayMount tells whether a blob may be mounted as the query says: from one
// repository that the client may pull from. A registry may find the blob
// itself where no repository is named, among those that the service sees.
func (e *entrance) mayMount(client policy.Client, query url.Values) bool {
	if len(query["mount"]) != 1 || len(query["from"]) != 1 {
		return false
	}
	from := query.Get("from")
	return digest.Digest(query.Get("mount")).Validate() == nil && oci.ValidRepository(from) &&
		e.rules.Allows(client, policy.Pull, from)
}

// withoutMount turns a mount into the plain upload that it becomes where the
// blob to be mounted isn't there.
func withoutMount(r *http.Request, query url.Values) *http.Request {
	query.Del("mount")
	query.Del("from")
	plain := r.WithContext(r.Context())
	u := *r.URL
	u.RawQuery = query.Encode()
	plain.URL = &u
	return plain
}

// base answers end-1: whether the client has signed in. Clients learn here
// how to, and some never ask again; so those who have not are asked to, unless
// nobody can.
func (e *entrance) base(w http.ResponseWriter, client policy.Client) error {
	if client.Anonymous() && !e.door.Closed() {
		return e.unauthorized("sign in")
	}
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{}"))
	return nil
}

// unknownRepository answers who may not see a repository as if there were
// none, without asking anyone whether there is.
func (p *Proxy) unknownRepository(w http.ResponseWriter, r *http.Request, target path) error {
	if target.endpoint != endpointReferrers {
		return &oci.Error{
			Status: http.StatusNotFound, Code: oci.CodeNameUnknown,
			Message: "the repository is not known to the registry",
		}
	}
	query, err := p.queryOf(r)
	if err != nil {
		return err
	}
	p.registry.Hidden()
	sendPage(w, r, answer.Referrers(index.Page{}, query, r.URL))
	return nil
}

// refuseSignIn says why credentials were not taken.
func (e *entrance) refuseSignIn(err error) error {
	switch {
	case errors.Is(err, signin.ErrRefused):
		return e.unauthorized("the user name, password or token is not right")
	case errors.Is(err, signin.ErrUnavailable):
		return oci.Unavailable(http.StatusServiceUnavailable, "the token can't be checked just now; try again later", err)
	default:
		return err
	}
}

func (e *entrance) unauthorized(message string) *oci.Error {
	return &oci.Error{
		Status: http.StatusUnauthorized, Code: oci.CodeUnauthorized, Message: message,
		Header: http.Header{"Www-Authenticate": e.door.Challenges(), "Docker-Distribution-Api-Version": {"registry/2.0"}},
	}
}

// credentials returns whom the registry sees for a client's request: the
// client, or the service in auth.mode service; and on whose behalf.
func (p *Proxy) credentials(r *http.Request) upstream.Credentials {
	as := upstream.CredentialsOf(r.Header)
	if p.asService(r) {
		as, _ = p.upstream.Service()
		as = as.For(entryOf(r).path.repository)
	}
	return as.On(p.origin(r), r.Header).Within(entryOf(r).path.namespace)
}

// callerOf returns on whose behalf a request is. In auth.mode service it is the
// caller whom the rules have let in; whom they have not been asked about they
// have not let in.
func (p *Proxy) callerOf(r *http.Request, target path) *registry.Caller {
	if caller := entryOf(r).caller; caller != nil {
		return caller
	}
	return p.newCaller(r, target)
}

// newCaller returns a caller whom nobody has let in yet.
func (p *Proxy) newCaller(r *http.Request, target path) *registry.Caller {
	return registry.NewCaller(p.credentials(r), target.scope())
}

// requester returns who asks, as far as rules about artifact types tell clients
// apart. In auth.mode passthrough nobody has signed in here.
func (p *Proxy) requester(r *http.Request) policy.Requester {
	return policy.Requester{Client: entryOf(r).client, Listener: wrap.ListenerOf(r.Context()), UserAgent: r.UserAgent()}
}

// disown takes from a request what is between the client and us: all headers
// but those that say what is wanted. Registries know many that say who wants it.
func disown(out *http.Request) {
	out.Trailer = nil
	for name := range out.Header {
		if !passesDisowned(name) {
			out.Header.Del(name)
		}
	}
}

func passesDisowned(name string) bool {
	switch name {
	case "Accept", "Accept-Encoding", "Cache-Control", "Content-Digest", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type",
		"Expect", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Range", "Te", "User-Agent",
		"Docker-Content-Digest", "Docker-Upload-Uuid", "Oci-Chunk-Min-Length", "Oci-Tag",
		"Baggage", "Traceparent", "Tracestate", "X-Forwarded-For", "X-Request-Id":
		return true
	default:
		return false
	}
}

// errService means that the registry does not take the service's credentials.
var errService = errors.New("the upstream registry refused upstream.service")

// own turns an answer that is between the registry and us into one for the
// client. A challenge would have it send its password elsewhere, and a
// cookie may stand for the service itself.
func own(resp *http.Response) error {
	for _, name := range []string{"Www-Authenticate", "Set-Cookie", "Authentication-Info"} {
		resp.Header.Del(name)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return errService
	}
	return nil
}

// withoutForm hides from the registry that the body of an upload may be a form:
// registries read the parameters of a mount from one too (package net/http,
// Request.FormValue).
func withoutForm(r *http.Request) *http.Request {
	if len(r.Header["Content-Type"]) == 0 {
		return r
	}
	plain := r.WithContext(r.Context())
	plain.Header = r.Header.Clone()
	plain.Header.Set("Content-Type", "application/octet-stream")
	return plain
}
