package upstream_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
)

// Bodies arrive whole, be their length known or not.
func TestLargeBodiesAreSent(t *testing.T) {
	body := content(t)
	for _, length := range []int64{int64(len(body)), -1} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			registry, _, connections := newRegistry(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got, err := io.ReadAll(r.Body)
				if err != nil || r.ContentLength != length || !bytes.Equal(got, body) {
					t.Errorf("%d bytes of %d, %v", len(got), len(body), err)
				}
				w.WriteHeader(http.StatusCreated)
			}))
			for range 2 {
				resp, err := registry.RoundTrip((&http.Request{
					Method: http.MethodPut, URL: &url.URL{Path: "/v2/a/blobs/uploads/x"}, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
					Body: io.NopCloser(bytes.NewReader(body)), ContentLength: length,
				}).WithContext(t.Context()))
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusCreated {
					t.Errorf("status %d", resp.StatusCode)
				}
			}
			if n := connections.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}
