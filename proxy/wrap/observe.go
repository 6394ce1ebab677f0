package wrap

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"go.uber.org/zap"
)

// ObserveOptions are what [Observe] needs; all are required.
type ObserveOptions struct {
	Log     *zap.Logger
	Metrics *Metrics
	// Now tells the time.
	Now func() time.Time
}

// Observe logs and counts every request once, when it is over. It goes within
// [Identify].
func Observe(o ObserveOptions) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := o.Now()
			e := EntryOf(r)
			wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			o.Metrics.inFlight.Inc()
			defer func() {
				o.Metrics.inFlight.Dec()
				took := o.Now().Sub(start)
				o.Metrics.request(e.Door.Endpoint(), r.Method, wrapped.Status(), took)
				o.logRequest(r, e, wrapped, took)
			}()
			next.ServeHTTP(wrapped, r)
		})
	}
}

// usualFields is how many fields a line has, but for those that were noted: it
// takes room once.
const usualFields = 10

func (o *ObserveOptions) logRequest(r *http.Request, e *Entry, w middleware.WrapResponseWriter, took time.Duration) {
	level := zap.InfoLevel
	if w.Status() >= http.StatusInternalServerError {
		level = zap.ErrorLevel
	}
	line := o.Log.Check(level, "request")
	if line == nil {
		return
	}
	fields := append(make([]zap.Field, 0, usualFields+len(e.fields)),
		zap.String("request", e.id),
		zap.String("method", r.Method),
		zap.String("endpoint", e.Door.Endpoint()),
		zap.Int("status", w.Status()),
		zap.Int("bytes", w.BytesWritten()),
		zap.Duration("took", took),
		zap.String("peer", r.RemoteAddr),
	)
	line.Write(append(e.Door.Fields(r, fields), e.fields...)...)
}
