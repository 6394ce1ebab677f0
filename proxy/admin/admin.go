package admin

import (
	"context"
	"net/http"
	"net/http/pprof"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Options are what the admin listener serves. Ready, Metrics and Log are
// required.
type Options struct {
	// Ready returns what the server needs to serve. What the values of exclude
	// name is not looked at, and left out.
	Ready   func(ctx context.Context, exclude []string) []Part
	Metrics *prometheus.Registry
	Log     *zap.Logger
	// Token returns what operators send; empty, or nil for no such function, where
	// only those on the same machine are let in. Health, metrics and profiles are
	// open to all.
	Token func() string
	// Events takes the notifications of the registry; nil for none.
	Events http.Handler
	// Maintenance serves what is below /admin; nil for nothing.
	Maintenance http.Handler
	// Pages serves the web page, below /ui; nil for none. Where there is a token it has
	// to ask for that itself, see [MayLook].
	Pages http.Handler
	// Level is the least severe of the lines that are logged, which operators may
	// read and set at /admin/log/level; nil where they may not.
	Level *zap.AtomicLevel
}

// Server is the header Server of the admin listener's answers, by which the
// command line knows it.
const Server = "backref"

// New returns the handler of the admin listener: /livez, /readyz, /metrics,
// /debug/pprof and, for those who have the token, /events and /admin.
func New(o Options) http.Handler {
	if o.Token == nil {
		o.Token = func() string { return "" }
	}
	router := chi.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Server", Server)
			next.ServeHTTP(w, r)
		})
	})
	router.Get("/livez", func(w http.ResponseWriter, _ *http.Request) {
		writePlain(w, http.StatusOK, "alive")
	})
	router.Get("/readyz", o.ready)
	errorLog := zap.NewStdLog(o.Log)
	router.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{ErrorLog: errorLog}))
	router.Get("/debug/pprof/*", pprof.Index)
	// The arguments are not for everyone who may see profiles.
	router.Get("/debug/pprof/cmdline", func(w http.ResponseWriter, _ *http.Request) {
		writePlain(w, http.StatusOK, "backref")
	})
	router.Get("/debug/pprof/profile", pprof.Profile)
	router.Get("/debug/pprof/symbol", pprof.Symbol)
	router.Get("/debug/pprof/trace", pprof.Trace)
	protected := router.With(requireOperator(o.Token))
	if o.Events != nil {
		protected.Method(http.MethodPost, "/events", o.Events)
	}
	if o.Level != nil {
		protected.Handle("/admin/log/level", logLevel{o.Level, o.Log})
	}
	if o.Maintenance != nil {
		protected.Mount("/admin", o.Maintenance)
	}
	if o.Pages != nil {
		router.Handle("/", http.RedirectHandler("/ui/", http.StatusSeeOther))
		pages := router.With(guardPages(o.Token))
		pages.Handle("/ui", o.Pages)
		pages.Handle("/ui/*", o.Pages)
	}
	return router
}

func writePlain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
