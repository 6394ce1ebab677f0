package upstream

import (
	"errors"
	"fmt"
	"net/http"
)

// Errors by which callers tell the registry's answers apart.
var (
	// ErrUnreachable means that no answer came, so that nothing is known
	// about what the registry did.
	ErrUnreachable = errors.New("no answer from the upstream registry")
	// ErrNotFound means that the registry says it has no such thing, or that
	// the client must not know of it.
	ErrNotFound = errors.New("not found in the upstream registry")
	// ErrInvalid means that the registry's answer is not what it should be:
	// too large, of another digest, or not JSON.
	ErrInvalid = errors.New("invalid answer from the upstream registry")
	// ErrBodySpent means that the registry did not take the service's token,
	// and that the body of the request can't be sent again with another.
	ErrBodySpent = errors.New("the token for the upstream registry was refused after the body was sent")
	// ErrNotIndex means that a document is no image index, and claims to be
	// none.
	ErrNotIndex = errors.New("not an image index")
	// ErrTooMany means that a list has more entries than may be read. It comes
	// with ErrInvalid.
	ErrTooMany = errors.New("more entries than may be read")
	// ErrNoReferrers means that the registry has no referrers API.
	ErrNoReferrers = errors.New("upstream registry has no referrers API")
)

// StatusError is an answer that says neither yes nor not found.
type StatusError struct {
	Status int
	// Header is the header of the answer.
	Header http.Header
	// Body is the beginning of the answer's body.
	Body []byte
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("upstream registry answered %d %s", e.Status, http.StatusText(e.Status))
}

// Denied reports whether the registry refused the credentials: its answer is
// for the client to see.
func (e *StatusError) Denied() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
}
