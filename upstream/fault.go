package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/backref/backref/upstream/wire"
)

// Reason is what is wrong with a registry, or with the way to it: one of a few
// words that may be the label of a metric.
type Reason string

// The reasons of a [Fault].
const (
	// ReasonName: the host of the URL has no address.
	ReasonName Reason = "name"
	// ReasonRefused: nobody listens at the address, or it can't be reached.
	ReasonRefused Reason = "refused"
	// ReasonTimeout: no answer came in time.
	ReasonTimeout Reason = "timeout"
	// ReasonBroken: a connection was made, and what came by it is no answer.
	ReasonBroken Reason = "broken"
	// ReasonProxy: the proxy does not let backref through.
	ReasonProxy Reason = "proxy"
	// ReasonAuthority, ReasonCertificateName and ReasonExpired: the certificate
	// is of an authority that is not trusted, for other names, or of another time.
	ReasonAuthority       Reason = "tls_authority"
	ReasonCertificateName Reason = "tls_name"
	ReasonExpired         Reason = "tls_expired"
	// ReasonTLS: TLS fails in another way, such as for want of a certificate of
	// backref's own.
	ReasonTLS Reason = "tls"
	// ReasonPlain: TLS was expected, and plain HTTP is spoken. ReasonSecure is the
	// reverse.
	ReasonPlain  Reason = "tls_missing"
	ReasonSecure Reason = "tls_expected"
	// ReasonNoAPI: the answer to /v2/ is 404.
	ReasonNoAPI Reason = "no_api"
	// ReasonNoRegistry: the answer to /v2/ is not one that a registry gives.
	ReasonNoRegistry Reason = "no_registry"
	// ReasonFails: the registry answers that it can't serve just now.
	ReasonFails Reason = "fails"
	// ReasonChallenge: it wants credentials, and does not say how in a way that
	// can be followed.
	ReasonChallenge Reason = "challenge"
	// ReasonTokenService: its token service can't be used.
	ReasonTokenService Reason = "token_service"
	// ReasonNoCredentials: it wants credentials where there are none.
	ReasonNoCredentials Reason = "credentials_missing"
	// ReasonCredentials: it does not take those of the service.
	ReasonCredentials Reason = "credentials_refused"
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{
		ReasonName, ReasonRefused, ReasonTimeout, ReasonBroken, ReasonProxy, ReasonAuthority, ReasonCertificateName, ReasonExpired,
		ReasonTLS, ReasonPlain, ReasonSecure, ReasonNoAPI, ReasonNoRegistry, ReasonFails, ReasonChallenge, ReasonTokenService,
		ReasonNoCredentials, ReasonCredentials,
	}
}

// Fault says why a registry can't be used. It is an error, which matches what
// was found.
type Fault struct { //nolint:errname // It is what was found first of all, and an error where something failed by it.
	Reason Reason
	found  error
}

// Error implements error: what was found, and what to do.
func (f *Fault) Error() string {
	return fmt.Sprintf("%v; %s", f.found, f.Mend())
}

// Unwrap returns what was found.
func (f *Fault) Unwrap() error { return f.found }

// At returns the fault as one of the registry that another section of the configuration
// describes than upstream: Mend names its keys.
func (f *Fault) At(key string) *Fault { return &Fault{f.Reason, &RouteError{key, f.found}} }

// Mend says what an operator can do, by the key of the configuration. It says
// nothing else of the registry, and may be shown to anybody.
func (f *Fault) Mend() string {
	var at *RouteError
	if !errors.As(f.found, &at) {
		return f.mend()
	}
	return strings.NewReplacer("upstream.url", at.Key+".url", "upstream.tls.", at.Key+".tls.", "upstream.service", at.Key+".service").Replace(f.mend())
}

func (f *Fault) mend() string {
	switch f.Reason {
	case ReasonName:
		return "the host of upstream.url can't be looked up: check its spelling, and the DNS of this machine"
	case ReasonRefused:
		return "nobody listens at upstream.url: check its host and port, and that the registry runs"
	case ReasonTimeout:
		return "no answer came within upstream.timeouts: check the host and port of upstream.url, firewalls, and that the registry is not overloaded"
	case ReasonProxy:
		return "the proxy on the way does not let backref through: check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
	case ReasonAuthority:
		return "the registry's certificate is of an authority that is not trusted: name its file in upstream.tls.caFile"
	case ReasonCertificateName:
		return "the registry's certificate is for other names: give upstream.url a host that it names"
	case ReasonExpired:
		return "the registry's certificate is of another time: renew it, or set the clock of this machine"
	case ReasonTLS:
		return "TLS with the registry fails: where it wants a certificate, set upstream.tls.certFile and upstream.tls.keyFile"
	case ReasonPlain:
		return "plain HTTP is spoken at upstream.url: begin it with http://, or name the port of HTTPS"
	case ReasonSecure:
		return "HTTPS is spoken at upstream.url: begin it with https://"
	case ReasonNoAPI:
		return "there is no registry API at upstream.url: the URL may have a wrong path, or it is no registry"
	case ReasonNoRegistry:
		return "what answers at upstream.url is no registry: check its host, port and path"
	case ReasonFails:
		return "the registry answers that it can't serve: see its own log"
	case ReasonChallenge:
		return "the registry wants credentials and names no way to send them that backref knows (Basic or Bearer): see its own configuration"
	case ReasonTokenService:
		return "the token service that the registry names can't be used: this machine has to reach it"
	case ReasonNoCredentials:
		return "the registry wants credentials: set upstream.service.username and upstream.service.passwordFile, or upstream.service.dockerConfig"
	case ReasonCredentials:
		return "the registry does not take the credentials of upstream.service: check them there"
	default:
		return "what answers at upstream.url breaks off: check its host and port, and the registry's own log"
	}
}

// Lasts reports whether it won't pass by itself: to ask again soon doesn't help. It
// may be asked of nil.
func (f *Fault) Lasts() bool {
	if f == nil {
		return false
	}
	switch f.Reason {
	case ReasonName, ReasonRefused, ReasonTimeout, ReasonBroken, ReasonProxy, ReasonFails, ReasonTokenService:
		return false
	default:
		return true
	}
}

// FaultOf tells what is wrong with the way to the registry by an error of a
// question to it: one that is a [*Fault], or matches [ErrUnreachable]. Of other
// errors, and where only a redirect led nowhere, it is nil.
func (r *Registry) FaultOf(err error) *Fault {
	var known *Fault
	switch {
	case errors.As(err, &known):
		return known
	case !errors.Is(err, ErrUnreachable), errors.Is(err, context.Canceled), errors.Is(err, errTurnedAway):
		return nil
	case errors.Is(err, errTokenService):
		return &Fault{ReasonTokenService, err}
	default:
		return &Fault{r.reasonOf(err), err}
	}
}

// reasonOf tells why no answer came.
func (r *Registry) reasonOf(err error) Reason {
	if reason := tlsReason(err); reason != "" {
		return reason
	}
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, wire.ErrProxy), saysProxy(err):
		return ReasonProxy
	case errors.As(err, &name) && !name.IsTimeout:
		return ReasonName
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return ReasonRefused
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return ReasonTimeout
	case r.base.Scheme == "http" && strings.Contains(err.Error(), tlsAlert):
		return ReasonSecure
	default:
		return ReasonBroken
	}
}

// saysProxy tells whether an error is one of a proxy, of which package net/http
// says some in words only.
func saysProxy(err error) bool {
	text := err.Error()
	return strings.Contains(text, "proxyconnect") || strings.Contains(text, "socks connect") || strings.Contains(text, http.StatusText(http.StatusProxyAuthRequired))
}

// tlsAlert is how package net/http shows what a server answers plain HTTP with
// that speaks TLS: an alert of it.
const tlsAlert = `malformed HTTP response "\x15\x03`

// tlsReason tells why TLS was not spoken; empty where that is not the reason.
func tlsReason(err error) Reason {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var op *net.OpError
	switch {
	case errors.As(err, &record):
		return ReasonPlain
	case errors.As(err, &authority):
		return ReasonAuthority
	case errors.As(err, &name):
		return ReasonCertificateName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return ReasonExpired
	case errors.As(err, &invalid), errors.As(err, &verification), errors.As(err, &alert), errors.As(err, &op) && op.Op == "remote error":
		return ReasonTLS
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		// Package net/http leaves out what it found.
		return ReasonPlain
	default:
		return ""
	}
}

// speaksTLS tells whether an answer to plain HTTP is one of a server that
// expects TLS: these say so in words only.
func speaksTLS(status *StatusError) bool {
	if status.Status != http.StatusBadRequest {
		return false
	}
	said := strings.ToLower(string(status.Body))
	return slices.ContainsFunc([]string{"to an https server", "to https port", "to an ssl-enabled", "requires tls"}, func(words string) bool {
		return strings.Contains(said, words)
	})
}
