package notice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// maxAnswer is how much is read of what a receiver answers, in bytes.
	maxAnswer = 4 << 10
	// maxAnswerHeader bounds the header of it, in bytes.
	maxAnswerHeader = 64 << 10
	// maxRetryAfter bounds what a receiver can make us wait.
	maxRetryAfter = 24 * time.Hour
)

// newClient returns what sends messages. It verifies certificates, follows no redirect,
// and keeps no cookies. Where to send is the operator's to say, so any address will do.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: maxAnswerHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// sendError is why a message was not delivered. It has no part of the URL.
type sendError struct {
	reason string
	// gone says that the receiver wants no more messages (410).
	gone bool
	// after is how long it asks to be left alone; 0 where it doesn't say.
	after time.Duration
}

func (e *sendError) Error() string { return e.reason }

// send sends a message once, and returns nil where the receiver has answered 2xx. The
// error is a [*sendError].
func (s *Service) send(ctx context.Context, h Hook, id string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL.String(), bytes.NewReader(body))
	if err != nil {
		return &sendError{reason: "the URL of the hook can't be used"}
	}
	at := s.options.Now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "backref")
	req.Header.Set(headerID, id)
	req.Header.Set(headerTimestamp, strconv.FormatInt(at.Unix(), 10))
	req.Header.Set(headerSignature, sign(h.Secrets, id, at, body))
	resp, err := s.client.Do(req)
	if err != nil {
		// The error of package http quotes the URL.
		if quoting := (*url.Error)(nil); errors.As(err, &quoting) {
			err = quoting.Err
		}
		return &sendError{reason: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	failure := &sendError{
		reason: fmt.Sprintf("the receiver answers %d", resp.StatusCode), gone: resp.StatusCode == http.StatusGone,
		after: retryAfter(resp.Header.Get("Retry-After"), at),
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		failure.reason += ", and redirects are not followed: give the hook the URL that it leads to"
	}
	return failure
}

// retryAfter reads Retry-After (RFC 9110, section 10.2.3): seconds, or a time.
func retryAfter(text string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
