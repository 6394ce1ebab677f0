package proxy_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/backref/backref/config"
)

// A registry that pauses within a body is given up, whoever signs the request.
func TestPausingRegistryIsGivenUp(t *testing.T) {
	for _, mode := range []string{config.AuthPassthrough, config.AuthService} {
		t.Run(mode, func(t *testing.T) {
			f := newFixture(t, func(cfg *config.Config) {
				cfg.Auth.Mode = mode
				cfg.Upstream.Service.Anonymous = true
				cfg.Auth.Rules = []config.Rule{{Repositories: []string{"**"}, Anonymous: true, Allow: []string{"pull"}}}
				cfg.Upstream.Timeouts.Stall = 100 * time.Millisecond
			})
			f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Content-Length", "100")
				_, _ = w.Write([]byte("x"))
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				return true
			})
			resp, err := http.Get(f.url + "/v2/a/manifests/latest")
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			if err == nil {
				t.Error("a body of one byte of a hundred looks whole")
			}
		})
	}
}
