package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// errTokenService says that it was not the registry itself that gave no answer.
var errTokenService = errors.New("the token service, or where the registry sent on to, gave no answer")

// withoutQuery returns the error of a request without the query of its URL, which
// may hold what nobody but the registry and the client should know: the client of
// net/http names the URL, and so does oras-go around what its token service says.
func (r *reached) withoutQuery(err error, asked *url.URL) error {
	if named := (*url.Error)(nil); errors.As(err, &named) {
		at, parseErr := url.Parse(named.URL)
		elsewhere := parseErr == nil && at.Host != "" && !strings.EqualFold(at.Host, r.base.Host)
		if err = named.Err; elsewhere {
			err = fmt.Errorf("%w: %s: %w", errTokenService, at.Host, err)
		}
	}
	if text := err.Error(); asked.RawQuery != "" && strings.Contains(text, asked.RawQuery) {
		return cutError{err, strings.ReplaceAll(text, asked.RawQuery, "…")}
	}
	return err
}

// cutError is an error with another text.
type cutError struct {
	error
	text string
}

func (e cutError) Error() string { return e.text }

// Unwrap returns the error with its whole text.
func (e cutError) Unwrap() error { return e.error }
