package proxy

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/backref/backref/config"
)

// What the wrappers of limits cost a request that they let pass.
func BenchmarkLimits(b *testing.B) {
	for name, set := range map[string]func(*config.Limits){
		"default": func(*config.Limits) {},
		"all": func(l *config.Limits) {
			l.Rate, l.Burst, l.ClientRate, l.ClientBurst, l.ClientConcurrency = 1<<30, 1<<30, 1<<30, 1<<30, 1<<20
		},
	} {
		cfg := config.Default()
		set(&cfg.Limits)
		p := &Proxy{config: cfg, now: time.Now, metrics: newMetrics(nil), limiter: newLimiter(cfg.Limits)}
		handler := p.guardTransfers(p.limit(p.limitPages(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("{}"))
		}))))
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/v2/app/manifests/v1", nil)
			r.Header.Set("Authorization", "Bearer 0123456789")
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(discard{}, r)
			}
		})
	}
}

// discard is a response that nobody reads.
type discard struct{}

func (discard) Header() http.Header              { return http.Header{} }
func (discard) Write(p []byte) (int, error)      { return len(p), nil }
func (discard) WriteHeader(int)                  {}
func (discard) SetWriteDeadline(time.Time) error { return nil }
