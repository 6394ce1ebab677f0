package ui

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"

	"github.com/backref/backref/client"
)

// SignIn says how viewers sign in. Accounts, Keys, TTL and Cookies are required.
type SignIn struct {
	Accounts Accounts
	// Keys returns by what sessions are sealed at a time, the key to seal by last. All
	// who serve the pages have to have the same.
	Keys func(ctx context.Context, now time.Time) ([][]byte, error)
	// TTL returns how long a session counts from when it began.
	TTL func() time.Duration
	// Cookies is what the names of cookies begin with.
	Cookies string
	// Strict says that no browser is to send the session along where another site leads
	// here, not even by a link.
	Strict bool
	// Now tells the time; nil for the system's.
	Now func() time.Time
	// Count counts what came of a sign-in; nil for nothing.
	Count func(result string)
}

// What came of a sign-in.
const (
	SignInAccepted = "accepted"
	SignInRefused  = "refused"
	SignInLimited  = "limited"
	SignInFailed   = "failed"
)

// SignInResults are all of them.
func SignInResults() []string {
	return []string{SignInAccepted, SignInRefused, SignInLimited, SignInFailed}
}

// formTime is how long a form that was sent may wait to be filled in.
const formTime = 12 * time.Hour

// signIn is how viewers of pages sign in and out.
type signIn struct {
	ui      *UI
	options SignIn
	base    string
	place   func(r *http.Request) Place
	sealer  *sealer
	guesses *guesses
	tokens  *tokens
	// form goes with the forms of those who need no session.
	form string
}

// newSignIn returns nil where nobody signs in.
func newSignIn(u *UI) (*signIn, error) {
	if u.options.SignIn == nil {
		return nil, nil
	}
	o := *u.options.SignIn
	if o.Accounts == nil || o.Keys == nil || o.TTL == nil || o.Cookies == "" {
		return nil, errors.New("ui: SignIn has to have Accounts, Keys, TTL and Cookies")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &signIn{
		ui: u, options: o, base: u.options.Base, place: u.options.Place, sealer: &sealer{read: o.Keys, now: o.Now},
		guesses: newGuesses(), tokens: newTokens(), form: rand.Text(),
	}, nil
}

func (s *signIn) ttl() time.Duration { return s.options.TTL() }

// routes are the pages of signing in and out.
func (s *signIn) routes(pages chi.Router) {
	pages.Get("/sign-in", s.ask)
	pages.Post("/sign-in", s.submit)
	pages.Post("/sign-out", s.leave)
	pages.Get("/sign-in/issuer", s.toIssuer)
	pages.Get("/sign-in/callback", s.fromIssuer)
}

// Viewer implements [Viewers].
func (s *signIn) Viewer(r *http.Request) (Viewer, error) {
	known, err := s.sessionOf(r)
	if err != nil {
		return Viewer{}, err
	}
	if known == nil {
		viewer, err := s.options.Accounts.Viewer(r, nil)
		viewer.Token, viewer.Tokens = s.form, s.tokens.of("", s.place(r).Client)
		return viewer, err
	}
	viewer, err := s.options.Accounts.Viewer(r, &known.Account)
	viewer.CanSignOut, viewer.Token = err == nil, known.Form
	viewer.Tokens = s.tokens.of(known.ID, s.place(r).Client)
	return viewer, err
}

// signInPage is the form.
type signInPage struct {
	Form
	// Message says why the form is there, or there again.
	Message string `json:"message,omitempty"`
	// To is where the viewer returns to, and Name what was given before.
	To   string `json:"-"`
	Name string `json:"-"`
	// Token goes with the form, so that no other site can send one.
	Token string `json:"-"`
	// Issuer is who else signs viewers in; empty for nobody.
	Issuer string `json:"issuer,omitempty"`
	// Action is where the form is sent.
	Action string `json:"-"`
}

// PageTitle implements titled.
func (signInPage) PageTitle() string { return "Sign in" }

// ask shows the form.
func (s *signIn) ask(w http.ResponseWriter, r *http.Request) {
	v, _ := s.ui.begin(r)
	s.show(w, v, http.StatusOK, signInPage{To: returnPath(r.URL.Query().Get("to"))})
}

// show sends the form, and the browser what tells it again: a form that comes back
// counts only with the same.
func (s *signIn) show(w http.ResponseWriter, v *visit, status int, page signInPage) {
	page.Form, page.Action = s.options.Accounts.Form(), v.base()+"/sign-in"
	if issuer := s.issuer(); issuer != nil {
		page.Issuer = issuer.Host()
	}
	if found, err := s.kept(v.request, cookieForm, &page.Token); err != nil || !found || page.Token == "" {
		page.Token = rand.Text()
	}
	if err := s.keep(w, v.request, cookieForm, http.SameSiteStrictMode, formTime, page.Token); err != nil {
		s.ui.fail(w, v, err)
		return
	}
	if v.wantsJSON() {
		writeJSON(w, status, page)
		return
	}
	s.ui.render(w, v, status, "sign-in", page)
}

// again shows the form in the place of a page that is for those who sign in.
func (s *signIn) again(w http.ResponseWriter, v *visit, shown failure) {
	message := shown.Message
	if v.viewer.Name != "" {
		message = "The registry does not show this to " + client.Printable(v.viewer.Name) + ". If the password has changed, sign in again."
	}
	s.show(w, v, shown.Status, signInPage{Message: message, To: returnPath(s.within(v.request))})
}

// within returns the address of a request below the base of pages.
func (s *signIn) within(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.EscapedPath(), s.base)
	if r.URL.RawQuery != "" && r.Method == http.MethodGet {
		path += "?" + r.URL.RawQuery
	}
	return path
}

// submit tries what was given into the form.
func (s *signIn) submit(w http.ResponseWriter, r *http.Request) {
	v, _ := s.ui.begin(r)
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.show(w, v, http.StatusBadRequest, signInPage{Message: "What came is not the form. Try again."})
		return
	}
	page := signInPage{To: returnPath(r.PostForm.Get("to")), Name: r.PostForm.Get("name")}
	if !s.sentByUs(r) {
		page.Message = "This form was open too long, or the browser keeps no cookies. Try again."
		s.show(w, v, http.StatusForbidden, page)
		return
	}
	if !s.guesses.may(v.place.Client, s.options.Now()) {
		s.note(w, v, SignInLimited, "", nil)
		w.Header().Set("Retry-After", strconv.Itoa(int(guessPause/time.Second)))
		page.Message = "Too many tries from your address. Wait a little, then try again."
		s.show(w, v, http.StatusTooManyRequests, page)
		return
	}
	account, err := s.options.Accounts.Check(r, page.Name, r.PostForm.Get("password"))
	if err == nil {
		err = s.begin(w, r, account)
	}
	s.outcome(w, v, page, account, err)
}

// outcome says what came of a sign-in.
func (s *signIn) outcome(w http.ResponseWriter, v *visit, page signInPage, account Account, err error) {
	switch {
	case err == nil:
		name := account.Name
		if account.Unproven {
			// Nobody has vouched for it, and it may be anything.
			name = ""
		}
		s.note(w, v, SignInAccepted, name, nil)
		s.drop(w, v.request, cookieForm, http.SameSiteStrictMode)
		http.Redirect(w, v.request, v.base()+page.To, http.StatusSeeOther)
	case errors.Is(err, ErrWrong):
		s.note(w, v, SignInRefused, "", nil)
		page.Message = "That is not right. Try again."
		s.show(w, v, http.StatusUnauthorized, page)
	case errors.Is(err, errTooLarge):
		s.note(w, v, SignInFailed, "", err)
		page.Message = "This is more than a browser keeps: 4 KiB with all around it. Use a shorter password or token, or an account in fewer groups."
		s.show(w, v, http.StatusRequestEntityTooLarge, page)
	default:
		s.note(w, v, SignInFailed, "", err)
		page.Message = "Whether this is right can't be found out just now. Try again later; the operator finds the reason in the log."
		s.show(w, v, http.StatusBadGateway, page)
	}
}

// leave ends the session. A form that the session didn't get ends nothing.
func (s *signIn) leave(w http.ResponseWriter, r *http.Request) {
	v, _ := s.ui.begin(r)
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	known, err := s.sessionOf(r)
	if err == nil && known != nil && !same(r.PostFormValue("token"), known.Form) {
		s.ui.fail(w, v, invalidError("This was not sent by the page. Go back to it and sign out there."))
		return
	}
	mode := http.SameSiteLaxMode
	if s.options.Strict {
		mode = http.SameSiteStrictMode
	}
	s.drop(w, r, cookieSession, mode)
	// What the browser still has of pages goes too.
	w.Header().Set("Clear-Site-Data", `"cache"`)
	http.Redirect(w, r, v.base()+"/sign-in", http.StatusSeeOther)
}

// sentByUs tells whether a form is one that the same browser was sent.
func (s *signIn) sentByUs(r *http.Request) bool {
	var token string
	found, err := s.kept(r, cookieForm, &token)
	return err == nil && found && token != "" && same(r.PostForm.Get("token"), token)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// maxNoted bounds a name in the log, in bytes.
const maxNoted = 256

// note logs and counts what came of a sign-in. A name is in it once somebody has
// vouched for it: people type passwords into the wrong field.
func (s *signIn) note(w http.ResponseWriter, v *visit, result, name string, err error) {
	if s.options.Count != nil {
		s.options.Count(result)
	}
	fields := []zap.Field{zap.String("result", result), zap.Stringer("client", v.place.Client)}
	if name != "" {
		fields = append(fields, zap.String("user", client.Printable(name[:min(len(name), maxNoted)])))
	}
	if id := w.Header().Get("X-Request-Id"); id != "" {
		fields = append(fields, zap.String("request", id))
	}
	if err != nil {
		s.ui.options.Log.Warn("a sign-in to the pages failed", append(fields, zap.Error(err))...)
		return
	}
	s.ui.options.Log.Info("sign-in to the pages", fields...)
}

// addressOf returns the address of the form for who is at a page; empty where nobody
// signs in.
func (s *signIn) addressOf(v *visit) string {
	if s == nil {
		return ""
	}
	return v.base() + "/sign-in?" + url.Values{"to": {returnPath(s.within(v.request))}}.Encode()
}
