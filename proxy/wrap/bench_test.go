package wrap

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// What the wrappers of limits cost a request that they let pass.
func BenchmarkLimits(b *testing.B) {
	for name, limits := range map[string]Bounds{
		"default": {},
		"all":     {Rate: 1 << 30, Burst: 1 << 30, ClientRate: 1 << 30, ClientBurst: 1 << 30, ClientConcurrency: 1 << 20, TrackedClients: 10_000},
	} {
		metrics := NewMetrics(nil)
		fail := func(_ http.ResponseWriter, _ *http.Request, err error) { b.Error(err) }
		limit := LimitOptions{Bounds: func() Bounds { return limits }, Now: time.Now, Fail: fail}
		pages := LimitPagesOptions{
			Most: func() int { return 1000 }, Paged: func(*http.Request) bool { return false },
			Parameters: func(r *http.Request) (url.Values, error) { return url.ParseQuery(r.URL.RawQuery) }, Metrics: metrics, Fail: fail,
		}
		pace := PaceOptions{Patience: func() Patience { return Patience{Interval: 30 * time.Second, Size: 64 << 10} }, Buffers: new(Buffers), Metrics: metrics}
		handler := Pace(pace)(Limit(limit)(LimitPages(pages)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
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
