package postgres

import (
	"context"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
)

// traceStatements has the statements of connections be spans, where they are part
// of something that is traced. They have the text of a statement, which holds no
// values, and the database isn't told of the trace: a comment in a statement would
// have it prepared anew each time.
func traceStatements(cfg *pgx.ConnConfig, provider trace.TracerProvider) {
	if provider == nil {
		return
	}
	cfg.Tracer = otelpgx.NewTracer(otelpgx.WithTracerProvider(provider), otelpgx.WithMeterProvider(noop.NewMeterProvider()))
}

// traced returns a context for a batch of changes, whose statements are part of the
// first of them that is traced: the others only wait for it.
func traced(batch []*change) context.Context {
	ctx := context.Background()
	for _, c := range batch {
		if span := trace.SpanFromContext(c.ctx); span.IsRecording() {
			return trace.ContextWithSpan(ctx, span)
		}
	}
	return ctx
}
