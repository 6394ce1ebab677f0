package indextest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// tester is what the checks need of a test, be it a run of rapid or not.
type tester interface {
	Helper()
	Context() context.Context
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// noon is when the stories happen. It lies ahead, so that no store holds what
// is open in them for over when it is opened again.
var noon = time.Date(2100, time.January, 1, 12, 0, 0, 0, time.UTC)

// after returns a moment some seconds after noon.
func after(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// name returns the digest by which the stories call something.
func name(what string) digest.Digest { return digest.FromString(what) }

// A repository of the stories, and another whose name begins the same.
const (
	repo    = "library/app"
	sibling = "library/app-2"
)

// signature returns the record of a manifest that refers to a subject.
func signature(what string, subject digest.Digest) index.Record {
	return index.Record{
		Repository: repo,
		Manifest: index.Manifest{
			Digest:       name(what),
			MediaType:    oci.MediaTypeImageManifest,
			Size:         int64(500 + len(what)),
			ArtifactType: "application/vnd.example.signature",
			Annotations:  map[string]string{"org.example.what": what, "org.example.url": "https://example.org/?a=1&b=<2>"},
			Edges: []index.Edge{
				{Kind: index.EdgeSubject, Target: subject},
				{Kind: index.EdgeConfig, Target: name("{}")},
				{Kind: index.EdgeLayer, Target: name("layer of " + what)},
			},
		},
		Seen: noon,
	}
}

// push records a manifest as a client's push does.
func push(t tester, store index.Store, record index.Record) {
	t.Helper()
	id := begin(t, store, index.IntentPush, record)
	must(t, store.Confirm(t.Context(), id, after(1)))
}

// remove deletes a manifest as a client's delete does.
func remove(t tester, store index.Store, record index.Record) {
	t.Helper()
	id := begin(t, store, index.IntentDelete, record)
	must(t, store.Confirm(t.Context(), id, after(1)))
}

// begin begins a push or delete that is over a minute after noon.
func begin(t tester, store index.Store, kind index.IntentKind, record index.Record) index.IntentID {
	t.Helper()
	intent := index.Intent{Kind: kind, Record: record, Deadline: after(60)}
	if kind == index.IntentDelete {
		intent.Record = index.Record{Repository: record.Repository, Manifest: index.Manifest{Digest: record.Digest}}
	}
	id, err := store.Begin(t.Context(), intent)
	must(t, err)
	return id
}

// found and missing are what the upstream says some seconds after noon, asked
// now.
func found(t tester, store index.Store, seconds int) index.Finding {
	t.Helper()
	return index.Finding{Mark: mark(t, store), At: after(seconds), Present: true}
}

func missing(t tester, store index.Store, seconds int) index.Finding {
	t.Helper()
	return index.Finding{Mark: mark(t, store), At: after(seconds)}
}

func mark(t tester, store index.Store) index.Mark {
	t.Helper()
	mark, err := store.Mark(t.Context())
	must(t, err)
	return mark
}

// listed returns the digests of a subject's referrers.
func listed(t tester, store index.Store, repository string, subject digest.Digest) []digest.Digest {
	t.Helper()
	page, err := store.Referrers(t.Context(), repository, subject, index.Query{})
	must(t, err)
	if page.More {
		t.Fatal("a listing without limits goes on")
	}
	digests := make([]digest.Digest, 0, len(page.Referrers))
	for _, referrer := range page.Referrers {
		digests = append(digests, referrer.Digest)
	}
	return digests
}

// unsettled returns the intents that are open for a subject.
func unsettled(t tester, store index.Store, subject digest.Digest) []index.Intent {
	t.Helper()
	intents, err := store.Unsettled(t.Context(), repo, subject)
	must(t, err)
	return intents
}

func must(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustBe(t tester, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got error %v, want %v", err, target)
	}
}

// equal compares deeply; what is empty equals what is nil.
func equal[T any](t tester, what string, got, want T) {
	t.Helper()
	if empty(got) && empty(want) || reflect.DeepEqual(got, want) {
		return
	}
	t.Fatalf("%s:\n got %s\nwant %s", what, show(got), show(want))
}

func empty(v any) bool {
	value := reflect.ValueOf(v)
	return value.Kind() == reflect.Slice && value.Len() == 0
}

func show(v any) string { return fmt.Sprintf("%+v", v) }

// sorted returns the digests of records in the order of a listing.
func sorted(records ...index.Record) []digest.Digest {
	digests := make([]digest.Digest, 0, len(records))
	for _, record := range records {
		digests = append(digests, record.Digest)
	}
	slices.Sort(digests)
	return digests
}
