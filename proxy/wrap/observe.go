package wrap

import (
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// ObserveOptions are what [Observe] needs; all but Access and Proxies are
// required.
type ObserveOptions struct {
	// Access takes a line for each request; nil for none.
	Access *zap.Logger
	// Log takes the lines of requests that failed, or that left something for the
	// operator, unless it is Access itself.
	Log     *zap.Logger
	Metrics *Metrics
	// Proxies are those whose word counts for where a request comes from.
	Proxies Proxies
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
				o.Metrics.request(e.Door.Endpoint(), r.Method, wrapped.Status(), took, e.received, int64(wrapped.BytesWritten()))
				e.line = line{entry: e, request: r, proxies: o.Proxies, status: wrapped.Status(), sent: wrapped.BytesWritten(), took: took}
				o.log(&e.line)
			}()
			next.ServeHTTP(wrapped, r)
		})
	}
}

// log writes the line of a request to where it belongs.
func (o *ObserveOptions) log(l *line) {
	level := l.level()
	if o.Access != nil {
		l.write(o.Access, level)
	}
	if level > zap.InfoLevel && o.Log != o.Access {
		l.write(o.Log, level)
	}
}

// line is what the log says of a request. It is written without a list of
// fields between: that would be most of what it costs.
type line struct {
	entry   *Entry
	request *http.Request
	proxies Proxies
	// status is 0 where nothing was answered.
	status, sent int
	took         time.Duration
}

func (l *line) write(log *zap.Logger, level zapcore.Level) {
	if checked := log.Check(level, "request"); checked != nil {
		checked.Write(zap.Inline(l))
	}
}

// level tells whether the operator has to look at a request: an error is our
// failure, or the registry's, and a warning is one that the client was not told
// of.
func (l *line) level() zapcore.Level {
	switch {
	case l.status >= http.StatusInternalServerError:
		return zap.ErrorLevel
	case l.status == 0 || l.status >= http.StatusBadRequest:
		return zap.InfoLevel
	}
	for i := range l.entry.fields {
		if l.entry.fields[i].Type == zapcore.ErrorType {
			return zap.WarnLevel
		}
	}
	return zap.InfoLevel
}

// Bounds of what clients choose, in bytes.
const (
	maxMethod    = 16
	maxUserAgent = 256
)

// MarshalLogObject implements [zapcore.ObjectMarshaler].
func (l *line) MarshalLogObject(to zapcore.ObjectEncoder) error {
	e, r := l.entry, l.request
	to.AddString("request", e.id)
	to.AddString("client", clientOf(r, l.proxies))
	to.AddString("method", Printable(r.Method, maxMethod))
	to.AddString("endpoint", e.Door.Endpoint())
	if listener := ListenerOf(e); listener != MainListener {
		to.AddString("listener", listener)
	}
	e.Door.Describe(r, to)
	to.AddInt64("status", int64(l.status))
	to.AddInt64("bytesIn", e.received)
	to.AddInt64("bytesOut", int64(l.sent))
	to.AddFloat64("durationSeconds", l.took.Seconds())
	to.AddFloat64("upstreamSeconds", e.upstream.waited().Seconds())
	if agent := r.Header["User-Agent"]; len(agent) > 0 {
		to.AddString("userAgent", Printable(agent[0], maxUserAgent))
	}
	if e.trace != "" {
		to.AddString("trace_id", e.trace)
	}
	for i := range e.fields {
		e.fields[i].AddTo(to)
	}
	return nil
}

// clientOf returns the address that a request comes from, as text.
func clientOf(r *http.Request, proxies Proxies) string {
	if len(proxies) > 0 {
		return proxies.clientAddress(r).String()
	}
	host := r.RemoteAddr
	if port := strings.LastIndexByte(host, ':'); port >= 0 {
		host = host[:port]
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}
