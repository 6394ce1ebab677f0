package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/backref/backref/index"
)

// The statements of what is traced are spans, those of a batch too; of all else
// there are none.
func TestStatementsAreTraced(t *testing.T) {
	kept := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(kept))
	options := newOptions()
	options.Tracing = provider
	store := mustOpen(t, options)
	t.Cleanup(func() { must(t, store.Close()) })
	if begun := kept.GetSpans(); len(begun) != 0 {
		t.Errorf("opening has %d spans", len(begun))
	}
	ctx, around := provider.Tracer("test").Start(t.Context(), "request")
	subject := digest.FromString("subject")
	_, err := store.Begin(ctx, index.Intent{Kind: index.IntentPush, Deadline: time.Now().Add(time.Hour), Record: index.Record{
		Repository: "app", Manifest: index.Manifest{Digest: digest.FromString("a"), MediaType: "a/b", Size: 1},
	}})
	must(t, err)
	begun := len(kept.GetSpans())
	if begun == 0 {
		t.Error("a change has no spans")
	}
	_, err = store.Referrers(ctx, "app", subject, index.Query{})
	must(t, err)
	around.End()
	found := kept.GetSpans()
	if len(found) < begun+2 {
		t.Errorf("a question has no spans")
	}
	texts := ""
	for _, span := range found {
		if span.SpanContext.TraceID() != around.SpanContext().TraceID() {
			t.Errorf("%s is of another trace", span.Name)
		}
		for _, attribute := range span.Attributes {
			texts += string(attribute.Key) + "=" + attribute.Value.String() + "\n"
		}
	}
	if !strings.Contains(texts, "db.system.name=postgresql") && !strings.Contains(texts, "db.system=postgresql") || strings.Contains(texts, subject.Encoded()) {
		t.Errorf("attributes:\n%s", texts)
	}
}
