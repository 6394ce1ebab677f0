package upstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
	// ErrTooLarge means that a blob is larger than may be read.
	ErrTooLarge = errors.New("larger than may be read")
	// ErrListTooLong means that a list of tags or repositories has more entries
	// than may be read. It comes with ErrInvalid.
	ErrListTooLong = errors.New("a list of more entries than may be read")
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
	text := fmt.Sprintf("upstream registry answered %d %s", e.Status, http.StatusText(e.Status))
	if said := e.said(); said != "" {
		text += fmt.Sprintf(": %.*q", maxSaid, said)
	}
	return text
}

// maxSaid is how much of a registry's own words is told.
const maxSaid = 300

// said returns what the registry says of an error; empty where that is not in
// the form of the specification.
func (e *StatusError) said() string {
	var said []string
	for _, item := range e.items() {
		said = append(said, strings.TrimSpace(item.Code+" "+item.Message))
	}
	return strings.Join(said, "; ")
}

// says tells whether the registry names one of some codes.
func (e *StatusError) says(codes ...string) bool {
	return slices.ContainsFunc(e.items(), func(item errorItem) bool { return slices.Contains(codes, item.Code) })
}

// errorItem is one error of an answer (distribution-spec, "Error Codes").
type errorItem struct{ Code, Message string }

func (e *StatusError) items() []errorItem {
	var document struct{ Errors []errorItem }
	if err := json.Unmarshal(e.Body, &document); err != nil {
		return nil
	}
	return document.Errors
}

// Denied reports whether the registry refused the credentials: its answer is
// for the client to see.
func (e *StatusError) Denied() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
}

// LacksRight reports whether a refusal says that it knows who asks, and that they
// may not.
func (e *StatusError) LacksRight() bool {
	if e.Status == http.StatusForbidden || e.says("DENIED") {
		return true
	}
	for _, challenge := range e.Header.Values("Www-Authenticate") {
		params, ok := parseChallenges(challenge)
		if ok && slices.ContainsFunc(params, func(p challengeParam) bool { return p.name == "error" && p.value == "insufficient_scope" }) {
			return true
		}
	}
	return false
}

// Busy reports whether the registry says that it can't answer just now.
func (e *StatusError) Busy() bool {
	return e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError && e.Status != http.StatusNotImplemented
}

// Unsupported reports whether the registry says that it has no such operation.
func (e *StatusError) Unsupported() bool { return e.says("UNSUPPORTED", "METHOD_UNKNOWN") }

// RefusesPage reports whether the registry refuses the size of a page.
func (e *StatusError) RefusesPage() bool { return e.says("PAGINATION_NUMBER_INVALID") }
