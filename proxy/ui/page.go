package ui

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/backref/backref/client"
)

// Errors of pages.
var (
	// ErrSignIn says that a viewer has to sign in.
	ErrSignIn = errors.New("sign in to see this page")

	errNoPage  = errors.New("there is no such page")
	errForeign = errors.New("the form came from another site")
)

// invalidError is a mistake in the URL of a page.
type invalidError string

func (e invalidError) Error() string { return string(e) }

// frame is what every page has around its own content.
type frame struct {
	// Base is what the paths of pages begin with.
	Base   string
	Viewer Viewer
	// Page is the name of the template, and Title what the page is called.
	Page, Title string
	// Host is the registry's, as the viewer's clients call it.
	Host string
	// Repository is the one that the page is about, Sections its pages; empty where it
	// is about none.
	Repository string
	Sections   []section
	// JSON is the address of the same as JSON.
	JSON string
	// SignIn is the address of the form to sign in, from which the viewer returns here,
	// and SignOut where the form to sign out is sent; empty where nobody signs in.
	SignIn, SignOut string
	// Content is what the page's own template shows.
	Content any
	// Operator says that there are pages of operations.
	Operator bool
}

// To returns the address of a page: the parts of its path, each of which may have
// slashes of its own.
func (f frame) To(parts ...any) string { return f.Base + address(parts...) }

// Number returns the number of what stands at a place of a list.
func (frame) Number(place int) int { return place + 1 }

// titled is the content of a page that has a title of its own.
type titled interface{ PageTitle() string }

// page serves a page: load gathers what it shows, which is sent as HTML, or as JSON
// where the query has format=json. Every error leaves here.
func (u *UI) page(name string, load func(*visit) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := u.begin(r)
		var content any
		if err == nil {
			content, err = load(v)
		}
		if err != nil {
			u.fail(w, v, err)
			return
		}
		if r.URL.Query().Get("format") == "json" {
			writeJSON(w, http.StatusOK, content)
			return
		}
		u.render(w, v, http.StatusOK, name, content)
	}
}

// act serves what a form asks for: do returns the page that says what came of it, below
// the base. A form without the viewer's token is refused.
func (u *UI) act(do func(*visit) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		v, err := u.begin(r)
		if err == nil && v.viewer.Token != "" && subtle.ConstantTimeCompare([]byte(r.PostFormValue("token")), []byte(v.viewer.Token)) == 0 {
			err = invalidError("this form is too old: load the page that it is on again")
		}
		next := ""
		if err == nil {
			next, err = do(v)
		}
		if err != nil {
			u.fail(w, v, err)
			return
		}
		http.Redirect(w, r, v.base()+next, http.StatusSeeOther)
	}
}

// maxForm bounds a form, in bytes.
const maxForm = 64 << 10

// render sends a page. It is made whole before a byte is sent.
func (u *UI) render(w http.ResponseWriter, v *visit, status int, name string, content any) {
	f := frame{
		Base: v.base(), Viewer: v.viewer, Page: name, Host: v.place.Host, Content: content, JSON: v.asJSON(), Operator: u.options.Operations != nil,
		Repository: v.name, Sections: v.sections(), SignIn: u.signIn.addressOf(v),
	}
	if u.signIn != nil {
		f.SignOut = v.base() + "/sign-out"
	}
	if t, ok := content.(titled); ok {
		f.Title = t.PageTitle()
	}
	var page bytes.Buffer
	if err := u.templates[name].ExecuteTemplate(&page, "layout.html", f); err != nil {
		u.options.Log.Error("a page can't be shown", zap.String("page", name), zap.Error(err))
		http.Error(w, "this page can't be shown; its operator finds the reason in the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
}

// wantsJSON tells whether the page is to be sent as JSON.
func (v *visit) wantsJSON() bool { return v.request.URL.Query().Get("format") == "json" }

// asJSON returns the address of a page's JSON.
func (v *visit) asJSON() string {
	query := v.request.URL.Query()
	query.Set("format", "json")
	return v.place.Prefix + v.request.URL.EscapedPath() + "?" + query.Encode()
}

func writeJSON(w http.ResponseWriter, status int, content any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(content)
}

// failure is what a page shows in the place of its content.
type failure struct {
	Status int `json:"status"`
	// Heading is a word or two, Message says what to do.
	Heading string `json:"error"`
	Message string `json:"message"`
	// SignIn says that to sign in may help.
	SignIn bool `json:"-"`
}

// PageTitle implements titled.
func (f failure) PageTitle() string { return f.Heading }

// fail says what went wrong.
func (u *UI) fail(w http.ResponseWriter, v *visit, err error) {
	shown := failureOf(err)
	if shown.Status >= http.StatusInternalServerError {
		u.options.Log.Warn("a page could not be made", zap.String("path", v.request.URL.Path), zap.Error(err))
	}
	switch {
	case v.wantsJSON():
		writeJSON(w, shown.Status, shown)
	case shown.Status == http.StatusUnauthorized && u.signIn != nil:
		u.signIn.again(w, v, shown)
	default:
		u.render(w, v, shown.Status, "error", shown)
	}
}

// failureOf tells what of an error a viewer is shown.
func failureOf(err error) failure {
	var invalid invalidError
	status, answered := client.StatusOf(err)
	var operations operationsError
	switch {
	case errors.As(err, &operations):
		return failure{Status: http.StatusBadGateway, Heading: "Not possible", Message: operations.Error()}
	case errors.As(err, &invalid):
		return failure{Status: http.StatusBadRequest, Heading: "Not understood", Message: invalid.Error()}
	case errors.Is(err, errNoPage):
		return failure{Status: http.StatusNotFound, Heading: "Not found", Message: "There is no such page."}
	case errors.Is(err, errForeign):
		return failure{Status: http.StatusForbidden, Heading: "Not allowed", Message: "This came from another site. Go to the page itself and try again there."}
	case errors.Is(err, ErrSignIn), answered && status == http.StatusUnauthorized:
		return failure{Status: http.StatusUnauthorized, Heading: "Sign in", Message: "Sign in to see this page.", SignIn: true}
	case answered && status == http.StatusForbidden:
		return failure{Status: status, Heading: "Not allowed", Message: "Your account may not see this.", SignIn: true}
	case errors.Is(err, client.ErrNotFound):
		return failure{Status: http.StatusNotFound, Heading: "Not found", Message: "The registry has no such thing, or your account may not see it.", SignIn: true}
	case answered && status == http.StatusTooManyRequests:
		return failure{Status: status, Heading: "Too many requests", Message: "Try again in a moment."}
	case answered && status == http.StatusNotImplemented:
		return failure{Status: status, Heading: "Too much to show", Message: err.Error()}
	default:
		return failure{Status: http.StatusBadGateway, Heading: "Not available", Message: "The registry did not give a usable answer. Try again later; the operator finds the reason in the log."}
	}
}
