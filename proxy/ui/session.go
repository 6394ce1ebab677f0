package ui

import (
	"crypto/rand"
	"errors"
	"net/http"
	"time"
)

// Account is whom a session is of, as [Accounts] have found out. It is kept in the
// viewer's browser, sealed, and nowhere else.
type Account struct {
	// Name is how the page calls the viewer.
	Name string `json:"n"`
	// Username and Password are the viewer's credential.
	Username string `json:"u,omitempty"`
	Password string `json:"p,omitempty"`
	// Unproven says that the registry has not said whether the credential is right.
	Unproven bool `json:"x,omitempty"`
	// Issuer has said who the viewer is, with the groups.
	Issuer string   `json:"i,omitempty"`
	Groups []string `json:"g,omitempty"`
	// Proof tells the token of operators by which the session began.
	Proof string `json:"t,omitempty"`
}

// session is what a browser keeps of a viewer who has signed in.
type session struct {
	Account Account `json:"a"`
	// ID tells sessions apart, and Form goes with each form of the session.
	ID   string `json:"s"`
	Form string `json:"f"`
	// Begun is when the viewer signed in, in seconds since 1970.
	Begun int64 `json:"b"`
}

// errTooLarge says that a browser would not keep a session.
var errTooLarge = errors.New("the session is larger than a browser keeps")

// maxCookie is the most that a browser keeps of one cookie, with its name and
// attributes, in bytes (RFC 6265, section 6.1).
const maxCookie = 4096

// The parts of cookies' names, which are what they are sealed for too.
const (
	cookieSession = "session"
	cookieForm    = "form"
	cookieIssuer  = "issuer"
)

// begin gives the browser a session.
func (s *signIn) begin(w http.ResponseWriter, r *http.Request, account Account) error {
	begun := session{Account: account, ID: rand.Text(), Form: rand.Text(), Begun: s.options.Now().Unix()}
	mode := http.SameSiteLaxMode
	if s.options.Strict {
		mode = http.SameSiteStrictMode
	}
	return s.keep(w, r, cookieSession, mode, s.ttl(), begun)
}

// keep has the browser keep a value, sealed, for some time.
func (s *signIn) keep(w http.ResponseWriter, r *http.Request, part string, mode http.SameSite, keep time.Duration, value any) error {
	sealed, err := s.sealer.seal(r.Context(), s.options.Cookies+" "+part, value)
	if err != nil {
		return err
	}
	cookie := s.cookie(r, part, mode) //nolint:gosec // G124: its mode is Strict or Lax, and it is Secure where the viewer came by https.
	cookie.Value, cookie.MaxAge = sealed, int(keep/time.Second)
	if len(cookie.String()) > maxCookie {
		return errTooLarge
	}
	http.SetCookie(w, cookie)
	return nil
}

// drop has the browser forget a cookie.
func (s *signIn) drop(w http.ResponseWriter, r *http.Request, part string, mode http.SameSite) {
	cookie := s.cookie(r, part, mode) //nolint:gosec // G124: as above.
	cookie.MaxAge = -1
	http.SetCookie(w, cookie)
}

// cookie returns an empty cookie, for the paths of pages alone. By https its name says
// that it was set so (RFC 6265bis, section 4.1.3); without, a browser would not take
// that name.
func (s *signIn) cookie(r *http.Request, part string, mode http.SameSite) *http.Cookie {
	place := s.place(r)
	return &http.Cookie{ //nolint:gosec // G124: its mode is Strict or Lax, and it is Secure where the viewer came by https.
		Name: s.cookieName(place, part), Path: place.Prefix + s.base, Secure: place.Secure(), HttpOnly: true, SameSite: mode,
	}
}

func (s *signIn) cookieName(place Place, part string) string {
	name := s.options.Cookies + "_" + part
	if place.Secure() {
		name = "__Secure-" + name
	}
	return name
}

// sessionOf returns the session that a request comes with; nil where it has none that
// counts. One whose time is over, or that begins later than now, is none.
func (s *signIn) sessionOf(r *http.Request) (*session, error) {
	var known session
	switch found, err := s.kept(r, cookieSession, &known); {
	case err != nil, !found:
		return nil, err
	}
	now, begun := s.options.Now(), time.Unix(known.Begun, 0)
	const skew = time.Minute // between the clocks of replicas
	if now.Sub(begun) >= s.ttl() || begun.Sub(now) > skew || known.ID == "" {
		return nil, nil
	}
	return &known, nil
}

// kept reads what a browser keeps sealed; found is false where that is nothing, or
// nothing that counts.
func (s *signIn) kept(r *http.Request, part string, into any) (found bool, err error) {
	cookie, err := r.Cookie(s.cookieName(s.place(r), part))
	if err != nil {
		return false, nil
	}
	err = s.sealer.open(r.Context(), s.options.Cookies+" "+part, cookie.Value, into)
	if errors.Is(err, errSealed) {
		return false, nil
	}
	return err == nil, err
}
