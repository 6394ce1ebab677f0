package upstream

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// answering is a way that has the answer ready.
type answering struct{ resp *http.Response }

func (a answering) RoundTrip(*http.Request) (*http.Response, error) { return a.resp, nil }

// A request costs no more where nothing is traced than the way that it goes.
func TestNoTraceCostsNothing(t *testing.T) {
	way := reaching{by: answering{&http.Response{StatusCode: http.StatusOK}}}
	req := httptest.NewRequest(http.MethodGet, "/v2/", nil)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := way.RoundTrip(req); err != nil { //nolint:bodyclose // It has none.
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What of a path is nobody's but the client's and the registry's is in no trace.
func TestTracedPath(t *testing.T) {
	for path, want := range map[string]string{
		"/v2/app/manifests/v1":                "/v2/app/manifests/v1",
		"/below/v2/app/blobs/uploads/s3cret":  "/below/v2/app/blobs/uploads/",
		"/storage/s3cret":                     "",
		"/v2/app/blobs/uploads/s3cret/v2/x/y": "/v2/app/blobs/uploads/",
	} {
		if got := tracedPath(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
