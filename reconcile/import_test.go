package reconcile_test

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/reconcile"
)

// late is an export that somebody reads slowly: before the first part comes,
// something happens.
type late struct {
	io.Reader
	before func()
}

func (l *late) Read(b []byte) (int, error) {
	if l.before != nil {
		l.before()
		l.before = nil
	}
	return l.Reader.Read(b)
}

// What is deleted once an import has begun does not come back by it; all else of
// the same batch comes.
func TestImportLeavesOutWhatWasDeletedMeanwhile(t *testing.T) {
	ctx := t.Context()
	open := func(name string) *bolt.Store {
		store, err := bolt.Open(filepath.Join(t.TempDir(), name), bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		return store
	}
	record := func(i int) index.Record {
		return index.Record{Repository: "app", Seen: time.Unix(1, 0).UTC(), Manifest: index.Manifest{
			MediaType: oci.MediaTypeImageManifest, Digest: digest.FromString(fmt.Sprint(i)), Size: 1,
			Edges: []index.Edge{{Kind: index.EdgeSubject, Target: digest.FromString("subject")}},
		}}
	}
	from, to := open("from.db"), open("to.db")
	mark, err := from.Mark(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := from.Observe(ctx, mark, record(i)); err != nil {
			t.Fatal(err)
		}
	}
	var exported bytes.Buffer
	if err := reconcile.Export(ctx, from, &exported); err != nil {
		t.Fatal(err)
	}
	imported, err := reconcile.Import(ctx, to, &late{&exported, func() {
		for i := range 3 {
			deletion := index.Intent{Kind: index.IntentDelete, Deadline: time.Now()}
			deletion.Record.Repository, deletion.Record.Digest = "app", record(i).Digest
			id, err := to.Begin(ctx, deletion)
			if err == nil {
				err = to.Confirm(ctx, id, time.Now())
			}
			if err != nil {
				t.Error(err)
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if imported.Records != 17 || imported.Overtaken != 3 {
		t.Errorf("it says %+v", imported)
	}
	page, err := to.Referrers(ctx, "app", digest.FromString("subject"), index.Query{})
	if err != nil || len(page.Referrers) != 17 {
		t.Errorf("%d are listed, %v", len(page.Referrers), err)
	}
}
