package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// realmPath is where clients ask for tokens with auth.realm: rewrite. It is
// outside /v2/, so that no repository can be meant.
const realmPath = "/_backref/token"

// realm remembers where the registry's token service is. Only the registry
// says so, when backref itself asks it: nothing in a client's request, and
// nothing that comes back for one, leads elsewhere.
type realm struct {
	asking singleflight.Group

	mutex   sync.Mutex
	service *url.URL
	until   time.Time
}

func (m *realm) remembered(now time.Time) *url.URL {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if !now.Before(m.until) {
		return nil
	}
	return m.service
}

func (m *realm) remember(service *url.URL, until time.Time) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.service, m.until = service, until
}

// tokenService returns the address of the registry's token service.
func (p *Proxy) tokenService(ctx context.Context) (*url.URL, error) {
	if service := p.realm.remembered(p.now()); service != nil {
		return service, nil
	}
	// Whoever asks first asks for all, and must not take its answer along
	// when it leaves.
	found, err, _ := p.realm.asking.Do("", func() (any, error) {
		service, err := p.upstream.Realm(context.WithoutCancel(ctx))
		if err == nil {
			p.realm.remember(service, p.now().Add(p.options.RecheckRealm))
		}
		return service, err
	})
	service, _ := found.(*url.URL)
	return service, err
}

// rewriteChallenges has clients ask backref for tokens, where the registry's
// challenge names its token service. Other challenges stay.
func (p *Proxy) rewriteChallenges(header http.Header, r *http.Request) {
	challenges := header["Www-Authenticate"]
	if !p.options.RewriteRealm || len(challenges) == 0 {
		return
	}
	service, err := p.tokenService(r.Context())
	if err != nil {
		note(r, zap.NamedError("realm", err))
		return
	}
	for i, challenge := range challenges {
		challenges = replaced(challenges, i, upstream.RewriteRealm(challenge, func(realm string) string {
			if named, err := url.Parse(realm); err != nil || named.String() != service.String() {
				return realm
			}
			return p.clientURL(r, realmPath).String()
		}))
	}
	header["Www-Authenticate"] = challenges
}

// passToken passes a request for a token on to the registry's token service,
// query and body as they are, and its answer back.
func (p *Proxy) passToken(w http.ResponseWriter, r *http.Request, target path) error {
	if !p.options.RewriteRealm {
		return p.passthrough(w, r, target)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return &oci.Error{
			Status: http.StatusMethodNotAllowed, Code: oci.CodeUnsupported,
			Message: "ask for a token by GET or POST", Header: http.Header{"Allow": {"GET, POST"}},
		}
	}
	service, err := p.tokenService(r.Context())
	if err != nil {
		return tokenServiceError(err)
	}
	header := p.upstreamHeader(r)
	// Cookies are for the registry's own address.
	header.Del("Cookie")
	out := &http.Request{
		Method: r.Method, URL: &url.URL{RawQuery: r.URL.RawQuery}, Header: header,
		Body: r.Body, ContentLength: r.ContentLength, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if r.ContentLength == 0 {
		out.Body = nil
	}
	resp, err := p.upstream.RoundTripRealm(out.WithContext(r.Context()), service)
	if err != nil {
		return tokenServiceError(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return p.relay(w, r, resp)
}

// tokenServiceError says what is wrong with the token service itself.
func tokenServiceError(err error) error {
	if !errors.Is(err, upstream.ErrNoRealm) {
		return err
	}
	return oci.Unavailable(http.StatusBadGateway,
		"the registry behind this proxy names no token service that requests can be passed on to; its operator has to look at auth.realm", err)
}
