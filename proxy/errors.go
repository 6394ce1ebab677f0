package proxy

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"

	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// fail answers a request with an error: what the upstream refused is relayed
// with its status, header and body, an oci.Error as it says, and anything else
// without details.
func (p *Proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	var status *upstream.StatusError
	var answer *oci.Error
	var fault *upstream.Fault
	if r.Context().Err() != nil && !errors.As(err, &answer) {
		// The client has gone, or shut its side of the connection only: then
		// the empty 200 of an answer that was not written would reach it.
		note(r, zap.NamedError("gone", err))
		panic(http.ErrAbortHandler)
	}
	note(r, zap.Error(err))
	var query *index.QueryError
	switch {
	case errors.As(err, &answer):
	case errors.As(err, &query):
		answer = oci.BadRequest(oci.CodeUnsupported, query.Error())
	case errors.Is(err, errService), errors.As(err, &status) && p.asService(r) && status.Status == http.StatusUnauthorized:
		answer = oci.Unavailable(http.StatusBadGateway, "the registry behind this proxy does not let the proxy in; its operator has to check upstream.service", err)
	case errors.As(err, &fault):
		answer = oci.Unavailable(http.StatusBadGateway, "what is behind this proxy can't be used as a registry just now; its operator finds the reason in the log and at /readyz?verbose", err)
	case errors.Is(err, upstream.ErrBodySpent):
		answer = oci.Unavailable(http.StatusServiceUnavailable, "the registry behind this proxy wants this part of the upload again; try it again", err)
	case errors.As(err, &status) && (status.Denied() || status.Status == http.StatusTooManyRequests):
		p.relayStatus(w, r, status)
		return
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		answer = oci.Unavailable(http.StatusGatewayTimeout, "the registry behind this proxy did not answer in time; try again later", err)
	case errors.Is(err, upstream.ErrTooMany):
		answer = oci.Unavailable(http.StatusBadGateway, "the registry behind this proxy lists more referrers of this manifest than this proxy reads; its operator can raise limits.tagEntries", err)
		answer.Limit = "limits.tagEntries"
	case errors.Is(err, upstream.ErrUnreachable), errors.Is(err, upstream.ErrInvalid), errors.Is(err, index.ErrMediaType), errors.As(err, &status):
		answer = oci.Unavailable(http.StatusBadGateway, "the registry behind this proxy did not give a usable answer; try again later", err)
	case errors.Is(err, index.ErrDamaged):
		answer = oci.Unavailable(http.StatusServiceUnavailable, "the referrers index can't be read; its operator has to rebuild it", err)
	default:
		answer = oci.Unavailable(http.StatusServiceUnavailable, "the referrers index can't be used just now; try again later", err)
	}
	if answer.Limit != "" {
		p.metrics.requests.Limited(answer.Limit)
	}
	p.auditDenial(r, answer)
	answer.Write(w)
}

// relayStatus passes on an answer that the upstream gave to a question of our
// own: the client has to see its challenge or its Retry-After. Where the
// question was a HEAD the answer lacks a body, and gets one.
func (p *Proxy) relayStatus(w http.ResponseWriter, r *http.Request, status *upstream.StatusError) {
	copyEndToEnd(w.Header(), status.Header)
	if p.asService(r) {
		_ = own(&http.Response{Header: w.Header()})
	}
	p.rewriteLinks(w.Header(), r)
	p.rewriteChallenges(w.Header(), r)
	if len(status.Body) == 0 {
		code := map[int]string{
			http.StatusUnauthorized: oci.CodeUnauthorized, http.StatusForbidden: oci.CodeDenied,
		}[status.Status]
		refused := oci.Error{
			Status: status.Status, Code: cmp.Or(code, oci.CodeTooManyRequests),
			Message: "the registry behind this proxy refused the request; sign in, or try again later",
		}
		refused.Write(w)
		return
	}
	saysNoType(w.Header())
	w.Header().Set("Content-Length", strconv.Itoa(len(status.Body)))
	w.WriteHeader(status.Status)
	_, _ = w.Write(status.Body)
}
