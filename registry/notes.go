package registry

import (
	"context"

	"go.uber.org/zap"
)

// Request is what is known of the request that something is done for. The door
// puts one into the context of each (see [RequestKey]).
type Request interface {
	// ID identifies the request in the log.
	ID() string
	// Note adds fields to the request's line in the log. It is called by one
	// goroutine at a time.
	Note(fields ...zap.Field)
}

// RequestKey is the key of a [Request] among the values of a context.
type RequestKey struct{}

// Note adds fields to the line in the log of the request that a context is of;
// of another context they are dropped.
func Note(ctx context.Context, fields ...zap.Field) {
	if request, ok := ctx.Value(RequestKey{}).(Request); ok {
		request.Note(fields...)
	}
}

// RequestID returns the identifier of the request that a context is of; empty
// for another context.
func RequestID(ctx context.Context) string {
	if request, ok := ctx.Value(RequestKey{}).(Request); ok {
		return request.ID()
	}
	return ""
}
