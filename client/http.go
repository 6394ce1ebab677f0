package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// ErrNotFound is what a registry says of what it has not, or hides.
var ErrNotFound = errors.New("not found")

// ErrConflict says that what was to be replaced has changed.
var ErrConflict = errors.New("changed by someone else meanwhile")

// errOtherAnswer says that an answer came whole and is not what was asked for.
var errOtherAnswer = errors.New("it is not the JSON that was asked for")

// statusError is an answer that is none of the expected.
type statusError struct {
	status int
	host   string
	// text is what the registry says about it.
	text string
	// request is what the registry calls the request in its log.
	request string
	// plain says that the registry was spoken to without TLS, and tells that it
	// wants some. flags stands before the name of the flag.
	plain bool
	flags string
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%s answers %d %s", e.host, e.status, http.StatusText(e.status))
	if e.text != "" {
		text += ": " + e.text
	}
	switch e.status {
	case http.StatusUnauthorized:
		text += "; sign in with: docker login " + e.host
	case http.StatusForbidden:
		text += "; your account at " + e.host + " may not do this"
	}
	if e.plain {
		text += "; it speaks TLS: give --" + e.flags + "plain-http=false"
	}
	if e.request != "" {
		text += " (request " + Printable(e.request) + ")"
	}
	return text
}

func (e *statusError) Is(target error) bool {
	return target == ErrNotFound && e.status == http.StatusNotFound ||
		target == ErrConflict && (e.status == http.StatusPreconditionFailed || e.status == http.StatusConflict)
}

// passing reports whether the same question may be answered otherwise later.
func (e *statusError) passing() bool {
	return e.status == http.StatusTooManyRequests || e.status >= http.StatusInternalServerError && e.status != http.StatusNotImplemented
}

// limits of what is read into memory.
const (
	maxManifest = 16 << 20
	maxPage     = 64 << 20
	maxError    = 64 << 10
)

// do sends a request, with a body that can be sent again. The answer's status
// is one of the wanted, or the error says which it is.
func (r *Repository) do(req *http.Request, want ...int) (*http.Response, error) {
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, r.explain(err)
	}
	for _, status := range want {
		if resp.StatusCode == status {
			return resp, nil
		}
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, r.statusError(resp)
}

// statusError reads an answer that is none of the expected.
func (r *Repository) statusError(resp *http.Response) error {
	failure := &statusError{status: resp.StatusCode, host: r.Reference.Host, request: requestID(resp.Header), flags: r.flags}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	failure.plain = resp.StatusCode == http.StatusBadRequest && resp.TLS == nil && wantsTLS(string(body))
	var answer struct {
		Errors []struct{ Code, Message string }
	}
	if err == nil && json.Unmarshal(body, &answer) == nil {
		var texts []string
		for _, e := range answer.Errors {
			texts = append(texts, strings.TrimSpace(e.Code+" "+e.Message))
		}
		failure.text = strings.Join(texts, "; ")
	}
	return failure
}

// maxRequestID bounds what is shown of a registry's name for a request, in bytes.
const maxRequestID = 128

// requestID returns what a registry calls a request in its log; empty where it
// says nothing.
func requestID(header http.Header) string {
	for _, name := range []string{"X-Request-Id", "X-Amzn-Requestid", "X-Ms-Request-Id", "X-Github-Request-Id", "X-Correlation-Id"} {
		if id := header.Get(name); id != "" && len(id) <= maxRequestID {
			return id
		}
	}
	return ""
}

// wantsTLS reports whether a body says that a server which speaks TLS was spoken
// to without: as Go's net/http, nginx and Apache say it.
func wantsTLS(body string) bool {
	body = strings.ToLower(body)
	return strings.Contains(body, "http request to an https server") || strings.Contains(body, "plain http request was sent to https") ||
		strings.Contains(body, "speaking plain http to an ssl-enabled")
}

// explain adds what to do about an error of the connection or of oras-go.
func (r *Repository) explain(err error) error {
	var answer *errcode.ErrorResponse
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		failure := &statusError{status: answer.StatusCode, host: r.Reference.Host}
		if len(answer.Errors) > 0 {
			failure.text = answer.Errors.Error()
		}
		return failure
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return noUserError(r.Reference.Host)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%w; %s speaks no TLS: give --%splain-http", err, r.Reference.Host, r.flags)
	case strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`):
		return fmt.Errorf("%w; %s speaks TLS: give --%splain-http=false", err, r.Reference.Host, r.flags)
	case strings.Contains(err.Error(), "x509: certificate signed by unknown authority"):
		return fmt.Errorf("%w; give the authority's certificate by --%sca-file", err, r.flags)
	default:
		return err
	}
}

// get sends a GET for a path below the registry.
func (r *Repository) get(ctx context.Context, path string, accept ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(r.scoped(ctx, auth.ActionPull), http.MethodGet, r.base+path, nil)
	if err != nil {
		return nil, err
	}
	for _, mediaType := range accept {
		req.Header.Add("Accept", mediaType)
	}
	return r.do(req, http.StatusOK)
}

// getJSON reads the answer to a GET. It returns the path of the next page, or
// "", and the answer's headers.
func (r *Repository) getJSON(ctx context.Context, path string, into any) (next string, header http.Header, err error) {
	resp, err := r.get(ctx, path)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := readJSON(resp.Body, maxPage, into); err != nil {
		return "", resp.Header, fmt.Errorf("read the answer of %s to %s: %w", r.Reference.Host, path, err)
	}
	next, err = nextPage(resp)
	return next, resp.Header, err
}

// readJSON reads a body to its end and then what it says. Only of one that came
// whole and says something else the error matches errOtherAnswer: one that was
// broken off says nothing about the registry.
func readJSON(body io.Reader, limit int64, into any) error {
	read, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return err
	}
	if int64(len(read)) > limit {
		return fmt.Errorf("it is larger than %d MiB", limit>>20)
	}
	err = json.NewDecoder(bytes.NewReader(read)).Decode(into)
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		return err // JSON without its end was broken off, whatever the connection says
	}
	return fmt.Errorf("%w: %w", errOtherAnswer, err)
}

// IsAnswer reports whether an error is what a registry answered, and would
// answer again.
func IsAnswer(err error) bool {
	var answer *statusError
	return errors.As(err, &answer) && !answer.passing()
}

// noUserError says which host wants a user where none is known.
type noUserError string

func (e noUserError) Error() string {
	return fmt.Sprintf("%s wants a user; sign in with: docker login %s", string(e), string(e))
}

// StatusOf returns the status of an answer that is an error; answered is false where
// the error is none of an answer.
func StatusOf(err error) (status int, answered bool) {
	var nobody noUserError
	if errors.As(err, &nobody) {
		return http.StatusUnauthorized, true
	}
	var answer *statusError
	if errors.As(err, &answer) {
		return answer.status, true
	}
	return 0, false
}

// AnswerText returns what an answer says that is an error; empty where it is none, or
// says nothing.
func AnswerText(err error) string {
	var answer *statusError
	if errors.As(err, &answer) {
		return answer.text
	}
	return ""
}

// LacksPart reports whether a registry refused a manifest because it has not,
// or not yet, all that this names.
func LacksPart(err error) bool {
	var answer *statusError
	return errors.As(err, &answer) && strings.Contains(answer.text, "BLOB_UNKNOWN")
}
