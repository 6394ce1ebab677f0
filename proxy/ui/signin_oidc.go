package ui

import (
	"errors"
	"net/http"
	"time"

	"github.com/backref/backref/signin"
)

// issuerTime is how long a viewer may take at the issuer.
const issuerTime = 10 * time.Minute

// underway is what a browser keeps, sealed, of a viewer who is at the issuer.
type underway struct {
	Pending signin.Pending `json:"p"`
	// Issuer is where the viewer was sent, To where they return to.
	Issuer string `json:"i"`
	To     string `json:"to"`
	// Begun is when, in seconds since 1970.
	Begun int64 `json:"b"`
}

// issuer returns who else signs viewers in; nil for nobody.
func (s *signIn) issuer() *signin.Code {
	clients, is := s.options.Accounts.(*Clients)
	if !is {
		return nil
	}
	return clients.issuer()
}

// callback is where the issuer sends viewers back to. It has to be registered there.
func (s *signIn) callback(v *visit) string { return v.place.Origin + v.base() + "/sign-in/callback" }

// toIssuer sends a viewer to the issuer. It is a link and no form: the policy of pages
// has browsers send forms nowhere else, not even by a redirect.
func (s *signIn) toIssuer(w http.ResponseWriter, r *http.Request) {
	v, _ := s.ui.begin(r)
	page := signInPage{To: returnPath(r.URL.Query().Get("to"))}
	issuer := s.issuer()
	if issuer == nil {
		s.ui.fail(w, v, errNoPage)
		return
	}
	address, pending, err := issuer.Begin(r.Context(), s.callback(v))
	if err != nil {
		s.outcome(w, v, page, Account{}, err)
		return
	}
	kept := underway{Pending: pending, Issuer: issuer.Name(), To: page.To, Begun: s.options.Now().Unix()}
	// The way back is from another site: Strict would not be sent.
	if err := s.keep(w, r, cookieIssuer, http.SameSiteLaxMode, issuerTime, kept); err != nil {
		s.outcome(w, v, page, Account{}, err)
		return
	}
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// fromIssuer takes a viewer back from the issuer.
func (s *signIn) fromIssuer(w http.ResponseWriter, r *http.Request) {
	v, _ := s.ui.begin(r)
	issuer := s.issuer()
	if issuer == nil {
		s.ui.fail(w, v, errNoPage)
		return
	}
	var kept underway
	found, err := s.kept(r, cookieIssuer, &kept)
	// Whatever comes of it, it is tried once.
	s.drop(w, r, cookieIssuer, http.SameSiteLaxMode)
	late := s.options.Now().Sub(time.Unix(kept.Begun, 0)) > issuerTime
	if err == nil && (!found || late || kept.Issuer != issuer.Name()) {
		s.show(w, v, http.StatusBadRequest, signInPage{Message: "It was not here that this sign-in began, or too long ago. Try again."})
		return
	}
	page := signInPage{To: returnPath(kept.To)}
	if err == nil && !s.guesses.may(v.place.Client, s.options.Now()) {
		s.note(w, v, SignInLimited, "", nil)
		page.Message = "Too many tries from your address. Wait a little, then try again."
		s.show(w, v, http.StatusTooManyRequests, page)
		return
	}
	var account Account
	if err == nil {
		account, err = s.finish(r, v, issuer, kept)
	}
	if err == nil {
		err = s.begin(w, r, account)
	}
	s.outcome(w, v, page, account, err)
}

// finish has the issuer say who came back.
func (s *signIn) finish(r *http.Request, v *visit, issuer *signin.Code, kept underway) (Account, error) {
	who, err := issuer.Finish(r.Context(), s.callback(v), kept.Pending, r.URL.Query())
	if errors.Is(err, signin.ErrRefused) {
		return Account{}, ErrWrong
	}
	return Account{Name: who.User, Groups: who.Groups, Issuer: issuer.Name()}, err
}
