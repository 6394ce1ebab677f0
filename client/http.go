package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// ErrNotFound is what a registry says of what it has not, or hides.
var ErrNotFound = errors.New("not found")

// ErrConflict says that what was to be replaced has changed.
var ErrConflict = errors.New("changed by someone else meanwhile")

// statusError is an answer that is none of the expected.
type statusError struct {
	status int
	host   string
	// text is what the registry says about it.
	text string
}

func (e *statusError) Error() string {
	text := e.host + " answers " + http.StatusText(e.status)
	if e.text != "" {
		text += ": " + e.text
	}
	switch e.status {
	case http.StatusUnauthorized:
		text += "; sign in with: docker login " + e.host
	case http.StatusForbidden:
		text += "; your account at " + e.host + " may not do this"
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
	return nil, newStatusError(r.Reference.Host, resp)
}

func newStatusError(host string, resp *http.Response) error {
	failure := &statusError{status: resp.StatusCode, host: host}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
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
		return fmt.Errorf("%s wants a user; sign in with: docker login %s", r.Reference.Host, r.Reference.Host)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%w; %s speaks no TLS: give --plain-http", err, r.Reference.Host)
	case strings.Contains(err.Error(), "x509: certificate signed by unknown authority"):
		return fmt.Errorf("%w; give the authority's certificate by --ca-file", err)
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
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxPage)).Decode(into); err != nil {
		return "", resp.Header, fmt.Errorf("read the answer of %s to %s: %w", r.Reference.Host, path, err)
	}
	next, err = nextPage(resp)
	if err == nil && next == path {
		err = fmt.Errorf("%s links %s to itself", r.Reference.Host, path)
	}
	return next, resp.Header, err
}

// nextPage returns the path and query of the page after an answer, by its Link
// header. One that leads elsewhere is refused: it would be sent the user's
// credentials.
func nextPage(resp *http.Response) (string, error) {
	for _, link := range resp.Header.Values("Link") {
		target, parameters, found := strings.Cut(link, ">")
		if !found || !strings.HasPrefix(target, "<") || !strings.Contains(strings.ReplaceAll(parameters, `"`, ""), "rel=next") {
			continue
		}
		parsed, err := url.Parse(target[1:])
		if err != nil {
			return "", fmt.Errorf("link to the next page: %w", err)
		}
		asked := resp.Request.URL
		absolute := asked.ResolveReference(parsed)
		if absolute.Host != asked.Host || absolute.Scheme != asked.Scheme {
			return "", fmt.Errorf("the link to the next page leads from %s to %s", asked.Host, absolute.Host)
		}
		return absolute.RequestURI(), nil
	}
	return "", nil
}

// IsAnswer reports whether an error is what a registry answered, and would
// answer again.
func IsAnswer(err error) bool {
	var answer *statusError
	return errors.As(err, &answer) && !answer.passing()
}

// LacksPart reports whether a registry refused a manifest because it has not,
// or not yet, all that this names.
func LacksPart(err error) bool {
	var answer *statusError
	return errors.As(err, &answer) && strings.Contains(answer.text, "BLOB_UNKNOWN")
}
