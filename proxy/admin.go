package proxy

import (
	"net/http"
	"net/http/pprof"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// AdminOptions are what the admin listener serves.
type AdminOptions struct {
	// Ready tells why the server should get no requests just now; nil if it
	// should.
	Ready   func() error
	Metrics *prometheus.Registry
	Log     *zap.Logger
}

// NewAdmin returns the handler of the admin listener: /livez, /readyz,
// /metrics and /debug/pprof.
func NewAdmin(o AdminOptions) http.Handler {
	router := chi.NewRouter()
	router.Get("/livez", func(w http.ResponseWriter, _ *http.Request) {
		writePlain(w, http.StatusOK, "alive")
	})
	router.Get("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := o.Ready(); err != nil {
			writePlain(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		writePlain(w, http.StatusOK, "ready")
	})
	errorLog := zap.NewStdLog(o.Log)
	router.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{ErrorLog: errorLog}))
	router.Get("/debug/pprof/*", pprof.Index)
	router.Get("/debug/pprof/cmdline", pprof.Cmdline)
	router.Get("/debug/pprof/profile", pprof.Profile)
	router.Get("/debug/pprof/symbol", pprof.Symbol)
	router.Get("/debug/pprof/trace", pprof.Trace)
	return router
}

func writePlain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
