package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/backref/backref/config"
)

// tracing makes the spans of a server, and sends them to a collector. The zero
// value makes none.
type tracing struct {
	provider *sdk.TracerProvider
}

// lastSpans is how long the last spans may take to be sent when a server ends.
const lastSpans = 5 * time.Second

// newTracing returns what the configuration says. The rest is for the variables
// of OpenTelemetry: the sampler, the name of the service and what else describes
// it, headers for the collector, limits, and the collector itself where the
// configuration names none.
func newTracing(ctx context.Context, cfg config.Tracing, log *zap.Logger) (tracing, error) {
	if !cfg.Enabled || strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return tracing{}, nil
	}
	switch exporter := os.Getenv("OTEL_TRACES_EXPORTER"); exporter {
	case "", "otlp":
	case "none":
		return tracing{}, nil
	default:
		return tracing{}, fmt.Errorf("OTEL_TRACES_EXPORTER: %q is neither otlp nor none", exporter)
	}
	exporter, err := newExporter(ctx, cfg.Endpoint)
	if err != nil {
		return tracing{}, fmt.Errorf("tracing: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(semconv.ServiceName("backref"), semconv.ServiceVersion(versionName())),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return tracing{}, fmt.Errorf("tracing: %w", err)
	}
	return tracing{sdk.NewTracerProvider(sdk.WithBatcher(&tellingExporter{SpanExporter: exporter, log: log}), sdk.WithResource(about))}, nil
}

// newExporter returns what sends spans: by OTLP over HTTP, or over gRPC where a
// variable of OpenTelemetry asks for that.
func newExporter(ctx context.Context, endpoint *url.URL) (sdk.SpanExporter, error) {
	switch protocol := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"), "http/protobuf"); protocol {
	case "http/protobuf":
		var options []otlptracehttp.Option
		if endpoint != nil {
			options = append(options, otlptracehttp.WithEndpointURL(endpoint.JoinPath("v1/traces").String()))
		}
		return otlptrace.New(ctx, otlptracehttp.NewClient(options...))
	case "grpc":
		var options []otlptracegrpc.Option
		if endpoint != nil {
			options = append(options, otlptracegrpc.WithEndpointURL(endpoint.String()))
		}
		return otlptrace.New(ctx, otlptracegrpc.NewClient(options...))
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: %q is neither http/protobuf nor grpc", protocol)
	}
}

// tracer returns what makes spans; nil where none are made.
func (t tracing) tracer() trace.Tracer {
	if t.provider == nil {
		return nil
	}
	return t.provider.Tracer("github.com/backref/backref")
}

// tracers returns what tracers are made by; nil where none are made.
func (t tracing) tracers() trace.TracerProvider {
	if t.provider == nil {
		return nil
	}
	return t.provider
}

// close sends the last spans. Those that can't be sent in time are lost, which the
// log says.
func (t tracing) close() {
	if t.provider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastSpans)
	defer cancel()
	_ = t.provider.Shutdown(ctx)
}

// tellingExporter says in the log when spans are lost, and when they are sent
// again, each once. It is used by one goroutine at a time, as exporters are.
type tellingExporter struct {
	sdk.SpanExporter
	log    *zap.Logger
	losing bool
}

// ExportSpans implements [sdk.SpanExporter]. Its error is said here.
func (e *tellingExporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !e.losing:
		e.log.Warn("spans can't be sent, and are lost", zap.Int("spans", len(spans)), zap.Error(err))
	case err == nil && e.losing:
		e.log.Info("spans are sent again")
	}
	e.losing = err != nil
	return nil
}
