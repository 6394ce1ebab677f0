package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/backref/backref/upstream"
)

// explain adds to an error of the registry what an operator can do: which
// credentials are missing, or lack a right, or what is wrong on the way to it.
func (s *Source) explain(err error) error {
	var fault *upstream.Fault
	if errors.As(err, &fault) {
		return err
	}
	if fault = s.Upstream.FaultOf(err); fault != nil {
		return fault
	}
	var status *upstream.StatusError
	if !errors.As(err, &status) || !status.Denied() {
		return err
	}
	switch _, configured := s.Upstream.Service(); {
	case !configured:
		return fmt.Errorf("%w; the registry wants credentials of backref's own: set upstream.service.username and upstream.service.passwordFile, or upstream.service.dockerConfig", err)
	case s.anonymous:
		return fmt.Errorf("%w; the registry does not let everybody do this: instead of upstream.service.anonymous set upstream.service.username and upstream.service.passwordFile, or upstream.service.dockerConfig", err)
	case status.LacksRight():
		return fmt.Errorf("%w; the user of upstream.service has not the right to do this: give it that in the registry, or set another user", err)
	default:
		return fmt.Errorf("%w; the registry does not take the credentials of upstream.service: check username and password there", err)
	}
}

// toName is what helps where a registry can be read, and not listed.
const toName = "name the repositories (--repositories-from)"

// withoutCatalog says why there is no list of repositories, and what to do.
func (s *Source) withoutCatalog(ctx context.Context, err error) error {
	var status *upstream.StatusError
	var text *json.SyntaxError
	isAnswer := errors.As(err, &status)
	switch {
	case isAnswer && status.Denied():
		return s.deniedCatalog(ctx, err, status)
	case s.Upstream.FaultOf(err) != nil:
		return s.explain(err)
	case errors.Is(err, upstream.ErrListTooLong):
		return fmt.Errorf("read the registry's catalog: %w; raise limits.listEntries, or %s", err, toName)
	case isAnswer && status.Busy():
		return fmt.Errorf("read the registry's catalog: %w; try again later, or %s", err, toName)
	}
	// What is no registry has no catalog either.
	if fault := s.Upstream.ServesAPI(ctx, ""); fault != nil {
		return fault
	}
	missing := errors.Is(err, upstream.ErrNotFound) || errors.As(err, &text) ||
		isAnswer && (status.Status == http.StatusMethodNotAllowed || status.Status == http.StatusNotImplemented || status.Unsupported())
	switch {
	case missing:
		return fmt.Errorf("the registry has no catalog that can be read; %s: %w", toName, err)
	case isAnswer && status.RefusesPage():
		return fmt.Errorf("the registry refuses pages of its catalog of any size; raise its own limit (catalog.maxentries of CNCF Distribution), or %s: %w", toName, err)
	default:
		return fmt.Errorf("read the registry's catalog: %w; or %s", err, toName)
	}
}

// deniedCatalog tells credentials that are not taken from those that lack a right:
// registries give the same answer for both. Whether they are taken is seen at their
// door, where that is closed.
func (s *Source) deniedCatalog(ctx context.Context, err error, status *upstream.StatusError) error {
	if _, configured := s.Upstream.Service(); !configured || s.anonymous {
		return fmt.Errorf("%w; or %s, where everybody may read them", s.explain(err), toName)
	}
	if accepted, known := s.Upstream.Accepts(ctx); known && accepted || !known && status.LacksRight() {
		return fmt.Errorf("%w; the user of upstream.service may not list the repositories: give it that right in the registry, or %s", err, toName)
	}
	return s.explain(err)
}
