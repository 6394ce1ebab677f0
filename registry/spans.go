package registry

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Spans makes spans of the parts of a request, or of other work. The zero value
// makes none, at no cost.
type Spans struct{ tracer trace.Tracer }

// NewSpans returns what makes spans by a tracer; nil makes none.
func NewSpans(tracer trace.Tracer) Spans { return Spans{tracer} }

// Span is one part; the zero Span is of nothing that is traced.
type Span struct{ span trace.Span }

// Begin begins a span below that of ctx; none where that has none. Whoever begins
// a Span ends it.
func (s Spans) Begin(ctx context.Context, name string) (context.Context, Span) {
	if s.tracer == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, Span{}
	}
	return s.BeginWork(ctx, name)
}

// BeginWork begins the span of work that no request has to wait for.
func (s Spans) BeginWork(ctx context.Context, name string) (context.Context, Span) {
	if s.tracer == nil {
		return ctx, Span{}
	}
	ctx, span := s.tracer.Start(ctx, name)
	return ctx, Span{span}
}

// Quiet returns a context whose work has no spans of its own, because they would
// be too many. It is of the same trace.
func Quiet(ctx context.Context) context.Context {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx
	}
	return trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(ctx))
}

// In says which repository a span is about.
func (s Span) In(repository string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String("backref.repository", repository))
	}
}

// End ends a span by what came of it. The text of an error is in the log: it may
// name more than a trace should.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		kind := "failed"
		switch {
		case errors.Is(err, context.Canceled):
			kind = "canceled"
		case errors.Is(err, context.DeadlineExceeded):
			kind = "timeout"
		}
		s.span.SetAttributes(attribute.String("error.type", kind))
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// TraceField names the trace that a context is of in a line of the log; it is no
// field where there is none, or it is not kept.
func TraceField(ctx context.Context) zap.Field {
	at := trace.SpanContextFromContext(ctx)
	if !at.IsSampled() {
		return zap.Skip()
	}
	return zap.String("trace_id", at.TraceID().String())
}

// requestField names the request that a context is of, and its trace.
func requestField(ctx context.Context) zap.Field {
	return zap.Inline(zapcore.ObjectMarshalerFunc(func(to zapcore.ObjectEncoder) error {
		if id := RequestID(ctx); id != "" {
			to.AddString("request", id)
		}
		TraceField(ctx).AddTo(to)
		return nil
	}))
}
