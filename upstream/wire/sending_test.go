package wire_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/backref/backref/upstream/wire"
)

// Bodies arrive whole, be their length known or not.
func TestLargeBodiesAreSent(t *testing.T) {
	body := content(t)
	for _, length := range []int64{int64(len(body)), -1} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			by, _, connections := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got, err := io.ReadAll(r.Body)
				if err != nil || r.ContentLength != length || !bytes.Equal(got, body) {
					t.Errorf("%d bytes of %d, %v", len(got), len(body), err)
				}
				w.WriteHeader(http.StatusCreated)
			}), wire.Options{})
			for range 2 {
				request := by.request(t.Context(), http.MethodPut)
				request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), length
				resp, err := by.RoundTrip(request)
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
