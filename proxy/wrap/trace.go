package wrap

import (
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap/zapcore"
)

// TraceOptions are what [Trace] needs.
type TraceOptions struct {
	// Tracer begins spans; nil for none, which costs nothing.
	Tracer trace.Tracer
	// Proxies are those whose word counts for where a request comes from.
	Proxies Proxies
}

// Secret stands in a route for what only the client and the registry should
// know: no path that has it is shown in a trace.
const Secret = "{session}"

// Trace makes a span of each request, below that of the client where its header
// names one (W3C Trace Context). It goes within [Observe], whose line then names
// the trace.
func Trace(o TraceOptions) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if o.Tracer == nil {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.serve(next, w, r) })
	}
}

func (o *TraceOptions) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	e := EntryOf(r)
	method, route := traceMethod(r.Method), e.Door.Route()
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := o.Tracer.Start(ctx, strings.TrimSpace(method+" "+route), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(semconv.HTTPRequestMethodKey.String(method), semconv.HTTPRoute(route)))
	if at := span.SpanContext(); at.IsSampled() {
		e.trace = at.TraceID().String()
	}
	returned := false
	defer func() {
		if span.IsRecording() {
			o.describe(span, w, r, e, route)
			if !returned {
				span.SetAttributes(semconv.ErrorTypeKey.String("broken_off"))
				span.SetStatus(codes.Error, "")
			}
		}
		span.End()
	}()
	next.ServeHTTP(w, r.WithContext(ctx))
	returned = true
}

// describe says of a span what is known when the request is over, by the
// semantic conventions of OpenTelemetry. Neither a query nor a header is among
// it, but for the name of the client's program.
func (o *TraceOptions) describe(span trace.Span, w http.ResponseWriter, r *http.Request, e *Entry, route string) {
	if route != "" && !strings.Contains(route, Secret) {
		span.SetAttributes(semconv.URLPath(r.URL.Path))
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	span.SetAttributes(semconv.URLScheme(scheme), semconv.ServerAddress(Printable(r.Host, maxHost)), semconv.ClientAddress(clientOf(r, o.Proxies)),
		semconv.NetworkProtocolVersion(strings.TrimSuffix(strings.TrimPrefix(r.Proto, "HTTP/"), ".0")),
		semconv.UserAgentOriginal(Printable(r.UserAgent(), maxUserAgent)), attribute.String("backref.request", e.id))
	names := zapcore.NewMapObjectEncoder()
	e.Door.Describe(r, names)
	for _, key := range []string{"repository", "tag", "digest"} {
		if name, named := names.Fields[key].(string); named {
			span.SetAttributes(attribute.String("backref."+key, name))
		}
	}
	if status, known := statusOf(w); known && status != 0 {
		span.SetAttributes(semconv.HTTPResponseStatusCode(status))
		if status >= http.StatusInternalServerError {
			span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(status)))
			span.SetStatus(codes.Error, "")
		}
	}
}

// maxHost bounds the name of a host, in bytes (RFC 1035, section 2.3.4, with a port).
const maxHost = 261

// traceMethod returns a method as spans have it: what is none of HTTP's own may be
// anything.
func traceMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return method
	default:
		return "_OTHER"
	}
}
