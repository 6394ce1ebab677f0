package registry_test

import (
	"context"
	"errors"
	"testing"

	"github.com/backref/backref/registry"
)

// Parts of a request cost nothing where nothing is traced.
func TestNoSpanCostsNothing(t *testing.T) {
	var spans registry.Spans
	ctx, failed := context.WithValue(t.Context(), registry.RequestKey{}, nil), errors.New("failed")
	if n := testing.AllocsPerRun(100, func() {
		within, span := spans.Begin(ctx, "part")
		if within != ctx || registry.Quiet(within) != ctx {
			t.Error("another context")
		}
		span.In("app")
		span.End(failed)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
