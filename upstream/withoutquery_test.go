package upstream

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
)

// What a query holds stays out of errors, whoever wrote it there, and the cause can
// be told still.
func TestErrorsWithoutTheQuery(t *testing.T) {
	base, err := url.Parse("https://registry.example")
	if err != nil {
		t.Fatal(err)
	}
	r := &Registry{reached: &reached{base: base}}
	asked := base.JoinPath("/v2/app/blobs/uploads/1")
	asked.RawQuery = "_state=s3cret&digest=sha256%3Aabc"
	for name, c := range map[string]struct {
		err   error
		token bool
	}{
		"of net/http":          {err: &url.Error{Op: "Put", URL: asked.String(), Err: io.ErrUnexpectedEOF}},
		"of the token service": {err: fmt.Errorf("Put %q: %w", asked, &url.Error{Op: "Get", URL: "https://tokens.example/token?s3cret", Err: io.ErrUnexpectedEOF}), token: true},
		"around an answer":     {err: fmt.Errorf("%s %q: failed to fetch a token: %w", "PUT", asked, io.ErrUnexpectedEOF)},
	} {
		got := r.withoutQuery(c.err, asked)
		if strings.Contains(got.Error(), "s3cret") || !errors.Is(got, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, got)
		}
		if fault := r.FaultOf(errors.Join(ErrUnreachable, got)); (fault.Reason == ReasonTokenService) != c.token {
			t.Errorf("%s: %v", name, fault.Reason)
		}
	}
}
