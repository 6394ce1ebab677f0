package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxErrorBody is how much of an error's body is kept to be shown.
const maxErrorBody = 64 << 10

// newQuery returns a request of backref's own.
func newQuery(method string, target *url.URL, header http.Header) *http.Request {
	return &http.Request{
		Method: method, URL: target, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}

// ask sends a request of backref's own, and follows redirects. The body of the
// response is read by read, within the time that one query may take; statuses
// other than 200 are errors.
func (r *Registry) ask(ctx context.Context, as Credentials, method string, target *url.URL, header http.Header,
	read func(*http.Response) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, r.queries)
	defer cancel()
	resp, err := r.follow(ctx, as, method, target, header)
	if err != nil {
		return err
	}
	defer closeBody(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return statusError(resp)
	}
	err = read(resp)
	if redirected(resp) && errors.Is(err, ErrInvalid) {
		// What the registry itself has is not known.
		return fmt.Errorf("%w: %w: %v", ErrUnreachable, errTurnedAway, err) //nolint:errorlint // It is not the registry's answer.
	}
	return err
}

func statusError(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		body = nil
	}
	status := &StatusError{Status: resp.StatusCode, Header: resp.Header, Body: body}
	if resp.StatusCode == http.StatusNotFound {
		return errors.Join(ErrNotFound, status)
	}
	return status
}

// readBody reads a body of at most limit bytes.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if resp.ContentLength > limit {
		return nil, fmt.Errorf("%w: %d bytes, more than the limit of %d", ErrInvalid, resp.ContentLength, limit)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%w: read body: %w", ErrUnreachable, err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%w: more than the limit of %d bytes", ErrInvalid, limit)
	}
	return body, nil
}

// closeBody reads a small rest so that the connection can be used again.
func closeBody(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxErrorBody)
	_ = body.Close()
}
