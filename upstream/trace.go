package upstream

import (
	"maps"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// tracing makes spans of requests that are sent within another span, from when
// they are sent until the header of the answer: what is done with the body is the
// other's. The zero value makes none.
type tracing struct {
	tracer trace.Tracer
	// registry says that requests go to the registry, which is told of the trace
	// (W3C Trace Context) and whose paths may be shown. Elsewhere a path may be
	// what gives the right to what is there.
	registry bool
}

// begin returns a request as it is to be sent, and its span; no span where none
// is around it.
func (t tracing) begin(req *http.Request) (*http.Request, trace.Span) {
	if t.tracer == nil {
		return req, nil
	}
	ctx := req.Context()
	around := trace.SpanFromContext(ctx)
	if !around.SpanContext().IsValid() {
		return req, nil
	}
	var span trace.Span
	if around.IsRecording() {
		ctx, span = t.tracer.Start(ctx, req.Method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
			semconv.HTTPRequestMethodKey.String(req.Method), semconv.ServerAddress(req.URL.Hostname()), semconv.URLScheme(req.URL.Scheme)))
		if port, err := strconv.Atoi(req.URL.Port()); err == nil {
			span.SetAttributes(semconv.ServerPort(port))
		}
		if path := tracedPath(req.URL.Path); path != "" && t.registry {
			span.SetAttributes(semconv.URLPath(path))
		}
	}
	if t.registry {
		req = req.WithContext(ctx)
		req.Header = maps.Clone(req.Header)
		// What the client says is replaced whole.
		req.Header.Del("Tracestate")
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	}
	return req, span
}

// uploads is what the address of an upload has before what only its client and
// the registry know.
const uploads = "/blobs/uploads/"

// tracedPath returns as much of a path as a trace may show: none of one that is
// not of the specification.
func tracedPath(path string) string {
	if !strings.Contains(path, "/v2/") {
		return ""
	}
	if at := strings.Index(path, uploads); at >= 0 {
		return path[:at+len(uploads)]
	}
	return path
}

// endSpan ends a span by what came of its request. The text of an error is in the
// log: it may name more than a trace should.
func endSpan(span trace.Span, resp *http.Response, err error) {
	switch {
	case err != nil:
		span.SetAttributes(semconv.ErrorType(err))
		span.SetStatus(codes.Error, "")
	default:
		span.SetAttributes(semconv.HTTPResponseStatusCode(resp.StatusCode))
		if resp.StatusCode >= http.StatusBadRequest {
			span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(resp.StatusCode)))
			span.SetStatus(codes.Error, "")
		}
	}
	span.End()
}
