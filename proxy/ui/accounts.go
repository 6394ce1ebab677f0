package ui

import (
	"errors"
	"net/http"
)

// Accounts tell who viewers are, by what they give into the form to sign in, and
// whether what was found out still counts. They may be used concurrently.
type Accounts interface {
	// Check tells who has given a name and a password, or a token alone where the form
	// asks for that. Errors: [ErrWrong]; all others say that it can't be found out just
	// now.
	Check(r *http.Request, name, password string) (Account, error)
	// Viewer returns who looks: account is whom the session is of, nil where there is
	// none. An error that [errors.Is] [ErrSignIn] says that the session counts no more,
	// or that there has to be one.
	Viewer(r *http.Request, account *Account) (Viewer, error)
	// Form says what the form asks for.
	Form() Form
}

// Form is what a viewer is asked for.
type Form struct {
	// TokenOnly says that there are no names: one field, for the token.
	TokenOnly bool `json:"tokenOnly,omitempty"`
	// Hint says what is to be given.
	Hint string `json:"hint,omitempty"`
}

// ErrWrong says that what was given into the form is not right.
var ErrWrong = errors.New("the user name, password or token is not right")
