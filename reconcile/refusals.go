package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/backref/backref/upstream"
)

// explain adds to a refusal of the registry which credentials are missing, or
// lack a right.
func (s *Source) explain(err error) error {
	var status *upstream.StatusError
	if !errors.As(err, &status) || !status.Denied() {
		return err
	}
	switch _, configured := s.Upstream.Service(); {
	case !configured:
		return fmt.Errorf("%w; the registry wants credentials of backref's own: set upstream.service.username and upstream.service.passwordFile, or upstream.service.dockerConfig", err)
	case s.anonymous:
		return fmt.Errorf("%w; the registry does not let everybody do this: instead of upstream.service.anonymous set upstream.service.username and upstream.service.passwordFile, or upstream.service.dockerConfig", err)
	case status.Status == http.StatusUnauthorized:
		return fmt.Errorf("%w; the registry does not take the credentials of upstream.service: check username and password there", err)
	default:
		return fmt.Errorf("%w; the user of upstream.service has not the right to do this: give it that in the registry, or set another user", err)
	}
}

// withoutCatalog says why there is no list of repositories, and what to do.
func withoutCatalog(err error) error {
	var status *upstream.StatusError
	var text *json.SyntaxError
	missing := errors.Is(err, upstream.ErrNotFound) || errors.As(err, &text)
	if errors.As(err, &status) {
		missing = missing || status.Status == http.StatusMethodNotAllowed || status.Status == http.StatusNotImplemented
	}
	switch {
	case missing:
		return fmt.Errorf("the registry has no catalog that can be read; name the repositories: %w", err)
	case status != nil && status.Denied():
		return fmt.Errorf("%w; or name the repositories", err)
	default:
		return fmt.Errorf("read the registry's catalog: %w", err)
	}
}
