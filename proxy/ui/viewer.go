package ui

import (
	"context"
	"net/http"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// Viewer is who looks at a page, as the door is asked.
type Viewer struct {
	// Name is how the page calls the viewer; empty for one who has not signed in.
	Name string
	// As marks a context as the viewer's, where the door is not to look at
	// credentials; nil for nothing.
	As func(context.Context) context.Context
	// Credential is what the door, and a token service that it names, are told; the
	// zero Credential for nothing.
	Credential auth.Credential
	// Unproven says that nobody has said yet whether the credential is right.
	Unproven bool
	// Tokens keeps what token services gave to the viewer, from page to page; nil for
	// nothing.
	Tokens auth.Cache
	// CanSignOut says that the viewer has a session.
	CanSignOut bool
	// Token goes with each form, so that no other site can send one; empty where
	// there is nothing to send.
	Token string
}

// Viewers tells who looks.
type Viewers interface {
	// Viewer returns who made a request. The error is to be shown: one that
	// [errors.Is] [ErrSignIn] leads to the page to sign in on, if there is one.
	Viewer(r *http.Request) (Viewer, error)
}

// ViewersFunc is a function that is [Viewers].
type ViewersFunc func(r *http.Request) (Viewer, error)

// Viewer implements [Viewers].
func (f ViewersFunc) Viewer(r *http.Request) (Viewer, error) { return f(r) }
