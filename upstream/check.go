package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// maxBase is how much of an answer to /v2/ is looked at.
const maxBase = 64 << 10

// errNoRegistry means that an answer to /v2/ is not one of a registry.
var errNoRegistry = errors.New("not the answer of a registry")

// Check asks whether the registry can be used: whether it can be reached and
// speaks the API of registries, and, where the service has credentials and the
// registry wants some, whether it takes them. It returns nil where all is well,
// or what is wrong. A registry that wants credentials of clients, and says how, is
// well. It may take the time of two questions; what it finds once ctx has ended
// means nothing.
func (r *Registry) Check(ctx context.Context) *Fault {
	challenges, fault := r.speak(ctx)
	switch {
	case fault != nil:
		return fault
	case challenges == nil || !r.configured:
		return nil
	case r.anonymous:
		return r.checkAnonymous(challenges)
	}
	return r.checkSignIn(ctx)
}

// speak asks for /v2/ as an anonymous client. Where the registry wants
// credentials it returns the challenges.
func (r *Registry) speak(ctx context.Context) (challenges []string, fault *Fault) {
	err := r.ask(ctx, Credentials{}, http.MethodGet, &url.URL{Path: "/v2/"}, http.Header{}, saysRegistry)
	var status *StatusError
	switch {
	case err == nil:
		return nil, nil
	case errors.As(err, &status) && status.Status == http.StatusUnauthorized:
		challenges = status.Header.Values("Www-Authenticate")
		if !r.usable(challenges) {
			return nil, &Fault{ReasonChallenge, fmt.Errorf("GET /v2/: %w", err)}
		}
		return challenges, nil
	}
	return nil, r.faultOfBase(err)
}

// saysRegistry looks at a 200 of /v2/. Registries send all sorts of things, but no
// page for people.
func saysRegistry(resp *http.Response) error {
	if resp.Header.Get("Docker-Distribution-Api-Version") != "" {
		return nil
	}
	body, err := readBody(resp, maxBase)
	if err != nil {
		return err
	}
	if IsPage(resp) || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
		return fmt.Errorf("%w: a page for people", errNoRegistry)
	}
	return nil
}

// usable tells whether a challenge can be answered: with a user and a password, or
// with a token of a service that has an address.
func (r *Registry) usable(challenges []string) bool {
	for _, challenge := range challenges {
		if scheme, _, _ := strings.Cut(strings.TrimSpace(challenge), " "); strings.EqualFold(scheme, "Basic") {
			return true
		}
		params, ok := parseChallenges(challenge)
		for _, p := range params {
			if !ok || !strings.EqualFold(p.name, "realm") {
				continue
			}
			_, err := r.parseRealm(p.value)
			if strings.EqualFold(p.scheme, "Basic") || strings.EqualFold(p.scheme, "Bearer") && err == nil {
				return true
			}
		}
	}
	return false
}

// faultOfBase tells what is wrong by an answer to /v2/ that is neither 200 nor
// a challenge.
func (r *Registry) faultOfBase(err error) *Fault {
	found := fmt.Errorf("GET /v2/: %w", err)
	if errors.Is(err, errTurnedAway) {
		return &Fault{ReasonNoRegistry, found}
	}
	if fault := r.FaultOf(found); fault != nil {
		return fault
	}
	var status *StatusError
	switch {
	case errors.Is(err, ErrNotFound):
		return &Fault{ReasonNoAPI, found}
	case !errors.As(err, &status):
		return &Fault{ReasonNoRegistry, found}
	case r.base.Scheme == "http" && (speaksTLS(status) || r.upgrades(status)):
		return &Fault{ReasonSecure, found}
	case status.Busy():
		return &Fault{ReasonFails, found}
	case status.Denied() && r.configured && !r.anonymous:
		return &Fault{ReasonCredentials, found}
	case status.Denied() && r.anonymous:
		return &Fault{ReasonNoCredentials, found}
	case status.Denied():
		return &Fault{ReasonChallenge, found}
	default:
		return &Fault{ReasonNoRegistry, found}
	}
}

// upgrades tells whether an answer sends from http to https at the same host.
func (r *Registry) upgrades(status *StatusError) bool {
	if status.Status < http.StatusMultipleChoices || status.Status >= http.StatusBadRequest {
		return false
	}
	location, err := url.Parse(status.Header.Get("Location"))
	return err == nil && location.Scheme == "https" && strings.EqualFold(location.Hostname(), r.base.Hostname())
}

// Accepts asks whether the registry takes the service's credentials. That is not
// known where it wants none at its door, or can't be asked.
func (r *Registry) Accepts(ctx context.Context) (accepted, known bool) {
	challenges, fault := r.speak(ctx)
	if fault != nil || challenges == nil {
		return false, false
	}
	fault = r.checkSignIn(ctx)
	return fault == nil, fault == nil || fault.Reason == ReasonCredentials
}

// checkAnonymous tells whether a registry that is said to let anyone read can. One
// that asks for a token may give one to anybody, for a repository; one that asks
// for a password can't.
func (r *Registry) checkAnonymous(challenges []string) *Fault {
	for _, challenge := range challenges {
		if strings.Contains(strings.ToLower(challenge), "bearer ") {
			return nil
		}
	}
	return &Fault{ReasonNoCredentials, fmt.Errorf("GET /v2/: it wants a user and a password, and upstream.service.anonymous is set: %w", &StatusError{
		Status: http.StatusUnauthorized, Header: http.Header{},
	})}
}

// checkSignIn asks for /v2/ as the service. The registry has just answered an
// anonymous client, so that what can't be reached is its token service.
func (r *Registry) checkSignIn(ctx context.Context) *Fault {
	as, _ := r.Service()
	err := r.ask(ctx, as, http.MethodGet, &url.URL{Path: "/v2/"}, http.Header{}, func(*http.Response) error { return nil })
	found := fmt.Errorf("GET /v2/ as upstream.service: %w", err)
	var status *StatusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status) && status.Denied():
		return &Fault{ReasonCredentials, found}
	case errors.As(err, &status):
		return r.faultOfBase(err)
	default:
		return &Fault{ReasonTokenService, found}
	}
}
