package ledger_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/ledger"
	"github.com/backref/backref/oci"
	"github.com/opencontainers/go-digest"
)

const repo = "library/app"

// second is an instant of the stories.
func second(n int) time.Time { return time.Unix(int64(n), 0).UTC() }

// signature is the manifest that the stories are about.
func signature() index.Record {
	return index.Record{
		Repository: repo,
		Manifest: index.Manifest{
			Digest: digest.FromString("signature"), MediaType: oci.MediaTypeImageManifest, Size: 7, ArtifactType: "signature",
			Annotations: map[string]string{"by": "us"},
			Edges: []index.Edge{
				{Kind: index.EdgeSubject, Target: digest.FromString("image")},
				{Kind: index.EdgeLayer, Target: digest.FromString("layer")},
			},
		},
		Seen: second(5),
	}
}

// seen is the signature, seen at an instant.
func seen(n int) index.Record {
	r := signature()
	r.Seen = second(n)
	return r
}

// of is the signature of another subject.
func of(subject string) index.Record {
	r := signature()
	r.Edges = []index.Edge{{Kind: index.EdgeSubject, Target: digest.FromString(subject)}}
	return r
}

// push and remove are intents whose deadline is the tenth second.
func push() index.Intent {
	return index.Intent{Kind: index.IntentPush, Record: signature(), Deadline: second(10)}
}

func remove() index.Intent {
	return index.Intent{Kind: index.IntentDelete, Deadline: second(10), Record: index.Record{
		Repository: repo, Manifest: index.Manifest{Digest: signature().Digest},
	}}
}

func reading() index.Intent {
	return index.Intent{Kind: index.IntentImport, Record: index.Record{Repository: repo}, Tag: "sha256-0", Deadline: second(10)}
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// story is one sentence of the contract.
type story struct {
	name string
	tell func(t *testing.T, b *book)
}

func tell(t *testing.T, stories []story) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) { s.tell(t, newBook()) })
	}
}

// outcome checks whether the live generation has the record, and whether an
// intent is open.
func outcome(t *testing.T, b *book, id index.IntentID, recorded, open bool) {
	t.Helper()
	_, isOpen := b.intent(id)
	_, isRecorded := b.record(ledger.Live)
	if isRecorded != recorded || isOpen != open {
		t.Errorf("recorded %v, open %v; want %v, %v", isRecorded, isOpen, recorded, open)
	}
}

func contended(t *testing.T, b *book, id index.IntentID, want bool) {
	t.Helper()
	intent, open := b.intent(id)
	if !open || intent.Contended != want {
		t.Errorf("intent %d: open %v, contended %v; want it open, contended %v", id, open, intent.Contended, want)
	}
}
