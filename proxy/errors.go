package proxy

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// Error codes of the distribution specification, and the registry protocol's
// two for what the specification has no code for.
const (
	codeNameInvalid       = "NAME_INVALID"
	codeNameUnknown       = "NAME_UNKNOWN"
	codeManifestUnknown   = "MANIFEST_UNKNOWN"
	codeDigestInvalid     = "DIGEST_INVALID"
	codeBlobUploadUnknown = "BLOB_UPLOAD_UNKNOWN"
	codeManifestInvalid   = "MANIFEST_INVALID"
	codeSizeInvalid       = "SIZE_INVALID"
	codeTagInvalid        = "TAG_INVALID"
	codeUnauthorized      = "UNAUTHORIZED"
	codeDenied            = "DENIED"
	codeTooManyRequests   = "TOOMANYREQUESTS"
	codeUnsupported       = "UNSUPPORTED"
	codeUnavailable       = "UNAVAILABLE"
	codeUnknown           = "UNKNOWN"
)

// retryAfter is what clients are told to wait for something that passes.
const retryAfter = 5 * time.Second

// apiError is an answer of our own that is not a success. Its message tells
// the client what to do; cause is for the operator's log alone.
type apiError struct {
	status  int
	code    string
	message string
	header  http.Header
	cause   error
	// limit is the key of the limit that was reached, if that is the reason.
	limit string
}

func (e *apiError) Error() string {
	if e.cause != nil {
		return e.message + ": " + e.cause.Error()
	}
	return e.message
}

func (e *apiError) Unwrap() error {
	return e.cause
}

// unavailable is the answer when something that has to be asked fails.
func unavailable(status int, message string, cause error) *apiError {
	return &apiError{
		status: status, code: codeUnavailable, message: message, cause: cause,
		header: http.Header{"Retry-After": {strconv.Itoa(int(retryAfter / time.Second))}},
	}
}

// badRequest is the answer to what the client has to mend.
func badRequest(code, message string) *apiError {
	return &apiError{status: http.StatusBadRequest, code: code, message: message}
}

// notFound is the answer where the upstream doesn't have, to the client, what
// was asked about.
func notFound(code, message string, cause error) *apiError {
	return &apiError{status: http.StatusNotFound, code: code, message: message, cause: cause}
}

// fail answers a request with an error: what the upstream refused is relayed
// with its status, header and body, an apiError as it says, and anything else
// without details.
func (p *Proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	var status *upstream.StatusError
	var answer *apiError
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
		answer = badRequest(codeUnsupported, query.Error())
	case errors.Is(err, errService), errors.As(err, &status) && p.access != nil && status.Status == http.StatusUnauthorized:
		answer = unavailable(http.StatusBadGateway, "the registry behind this proxy does not let the proxy in; its operator has to check upstream.service", err)
	case errors.Is(err, upstream.ErrBodySpent):
		answer = unavailable(http.StatusServiceUnavailable, "the registry behind this proxy wants this part of the upload again; try it again", err)
	case errors.As(err, &status) && (status.Denied() || status.Status == http.StatusTooManyRequests):
		p.relayStatus(w, r, status)
		return
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		answer = unavailable(http.StatusGatewayTimeout, "the registry behind this proxy did not answer in time; try again later", err)
	case errors.Is(err, upstream.ErrTooMany):
		answer = unavailable(http.StatusBadGateway, "the registry behind this proxy lists more referrers of this manifest than this proxy reads; its operator can raise limits.tagEntries", err)
		answer.limit = "limits.tagEntries"
	case errors.Is(err, upstream.ErrUnreachable), errors.Is(err, upstream.ErrInvalid), errors.Is(err, index.ErrMediaType), errors.As(err, &status):
		answer = unavailable(http.StatusBadGateway, "the registry behind this proxy did not give a usable answer; try again later", err)
	case errors.Is(err, index.ErrDamaged):
		answer = unavailable(http.StatusServiceUnavailable, "the referrers index can't be read; its operator has to rebuild it", err)
	default:
		answer = unavailable(http.StatusServiceUnavailable, "the referrers index can't be used just now; try again later", err)
	}
	if answer.limit != "" {
		p.metrics.limited.WithLabelValues(answer.limit).Inc()
	}
	writeError(w, answer)
}

// relayStatus passes on an answer that the upstream gave to a question of our
// own: the client has to see its challenge or its Retry-After. Where the
// question was a HEAD the answer lacks a body, and gets one.
func (p *Proxy) relayStatus(w http.ResponseWriter, r *http.Request, status *upstream.StatusError) {
	copyEndToEnd(w.Header(), status.Header)
	if p.access != nil {
		_ = own(&http.Response{Header: w.Header()})
	}
	p.rewriteLinks(w.Header(), r)
	p.rewriteChallenges(w.Header(), r)
	if len(status.Body) == 0 {
		code := map[int]string{
			http.StatusUnauthorized: codeUnauthorized, http.StatusForbidden: codeDenied,
		}[status.Status]
		writeErrorBody(w, status.Status, cmp.Or(code, codeTooManyRequests), "the registry behind this proxy refused the request; sign in, or try again later")
		return
	}
	saysNoType(w.Header())
	w.Header().Set("Content-Length", strconv.Itoa(len(status.Body)))
	w.WriteHeader(status.Status)
	_, _ = w.Write(status.Body)
}

func writeError(w http.ResponseWriter, e *apiError) {
	for name, values := range e.header {
		w.Header()[name] = values
	}
	writeErrorBody(w, e.status, e.code, e.message)
}

// writeErrorBody writes the JSON that the specification defines ("Error
// Codes").
func writeErrorBody(w http.ResponseWriter, status int, code, message string) {
	type item struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body, err := encodeJSON(struct {
		Errors []item `json:"errors"`
	}{[]item{{code, message}}})
	if err != nil {
		body = []byte(`{"errors":[{"code":"UNKNOWN","message":""}]}`)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
