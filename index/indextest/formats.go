package indextest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// Formats holds a store that was opened on an index of an earlier format, which
// is one of index/testdata/formats, against what the version that wrote it has
// read from it, and then uses it. mirrored says that it was written with the
// outbox on.
func Formats(t *testing.T, store index.Maintainer, folder string, mirrored bool) {
	t.Helper()
	wanted, err := os.ReadFile(filepath.Join(folder, "expected.txt"))
	must(t, err)
	got := contents(t, store)
	for _, line := range strings.Split(strings.TrimSuffix(string(wanted), "\n"), "\n") {
		if at := slices.Index(got, line); at >= 0 {
			got = slices.Delete(got, at, at+1)
		} else {
			t.Errorf("lost: %s", line)
		}
	}
	for _, line := range got {
		t.Errorf("new: %s", line)
	}
	checkOrders(t, store)
	if mirrored {
		changes, err := store.Changed(t.Context(), 0, 0)
		must(t, err)
		if len(changes) == 0 {
			t.Error("nothing is in the outbox any more")
		}
	}
	checkUse(t, store)
}

// contents is what write in index/testdata/formats prints.
func contents(t *testing.T, store index.Maintainer) []string {
	t.Helper()
	var lines []string
	records, err := store.Records(t.Context(), index.Key{}, 0)
	must(t, err)
	for _, record := range records {
		annotations, err := json.Marshal(record.Annotations)
		must(t, err)
		line := fmt.Sprintf("record %s %s %s %d %q %s seen %s", record.Repository, record.Digest, record.MediaType, record.Size, record.ArtifactType, annotations, record.Seen.UTC().Format(time.RFC3339Nano))
		for _, edge := range record.Edges {
			line += fmt.Sprintf(" %s=%s", edge.Kind, edge.Target)
		}
		lines = append(lines, line)
		if subject := record.Subject(); subject != "" {
			for i, referrer := range allReferrers(t, store, record.Repository, subject, index.SortDigest) {
				lines = append(lines, fmt.Sprintf("listing %s@%s %02d %s", record.Repository, subject, i, referrer.Descriptor))
			}
		}
		target := record.Edges[len(record.Edges)-1].Target
		parents, err := store.Parents(t.Context(), record.Repository, target, index.Parent{}, 0)
		must(t, err)
		for i, parent := range parents {
			lines = append(lines, fmt.Sprintf("parent %s@%s %02d %s %s", record.Repository, target, i, parent.Kind, parent.Digest))
		}
	}
	open, err := store.Intents(t.Context(), 0, 0)
	must(t, err)
	for _, intent := range open {
		lines = append(lines, fmt.Sprintf("open %s %s %s %s until %s", intent.Kind, intent.Record.Repository, intent.Record.Digest, intent.Tag, intent.Deadline.UTC().Format(time.RFC3339Nano)))
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func allReferrers(t *testing.T, store index.Store, repository string, subject digest.Digest, by index.SortKey) []index.Referrer {
	t.Helper()
	page, err := store.Referrers(t.Context(), repository, subject, index.Query{Order: index.Order{By: by}})
	must(t, err)
	return page.Referrers
}

// checkOrders checks that each listing has the same entries by time, and in
// that order.
func checkOrders(t *testing.T, store index.Maintainer) {
	t.Helper()
	records, err := store.Records(t.Context(), index.Key{}, 0)
	must(t, err)
	for _, record := range records {
		if record.Subject() == "" {
			continue
		}
		byDigest := allReferrers(t, store, record.Repository, record.Subject(), index.SortDigest)
		byTime := allReferrers(t, store, record.Repository, record.Subject(), index.SortCreated)
		if len(byDigest) != len(byTime) || len(byTime) == 0 {
			t.Errorf("%d of %s by digest, %d by time", len(byDigest), record.Subject(), len(byTime))
		}
		if !slices.IsSortedFunc(byTime, func(a, b index.Referrer) int { return strings.Compare(a.Key, b.Key) }) {
			t.Errorf("the listing of %s is not in its order", record.Subject())
		}
	}
}

// checkUse rebuilds, pushes and deletes all that there is: nothing of it may be
// left.
func checkUse(t *testing.T, store index.Maintainer) {
	t.Helper()
	ctx := t.Context()
	must(t, store.AbandonRebuild(ctx))
	records, err := store.Records(ctx, index.Key{}, 0)
	must(t, err)
	rebuildOf(ctx, t, store, records)
	again, err := store.Records(ctx, index.Key{}, 0)
	must(t, err)
	if len(again) != len(records) {
		t.Errorf("%d records, %d after a rebuild", len(records), len(again))
	}
	settled, err := store.Intents(ctx, 0, 0)
	must(t, err)
	for _, intent := range settled {
		must(t, store.Cancel(ctx, intent.ID))
	}
	for _, record := range records {
		pushed := record
		pushed.Annotations = map[string]string{"org.example.what": "pushed again"}
		id, err := store.Begin(ctx, index.Intent{Kind: index.IntentPush, Record: pushed, Deadline: time.Now()})
		must(t, err)
		must(t, store.Confirm(ctx, id, time.Now()))
		deletion := index.Intent{Kind: index.IntentDelete, Deadline: time.Now()}
		deletion.Record.Repository, deletion.Record.Digest = record.Repository, record.Digest
		id, err = store.Begin(ctx, deletion)
		must(t, err)
		must(t, store.Confirm(ctx, id, time.Now()))
		if record.Subject() == "" {
			continue
		}
		for _, by := range []index.SortKey{index.SortDigest, index.SortCreated} {
			for _, referrer := range allReferrers(t, store, record.Repository, record.Subject(), by) {
				if referrer.Digest == record.Digest {
					t.Errorf("%s is listed after its delete", record.Digest)
				}
			}
		}
	}
	for _, record := range records {
		for _, edge := range record.Edges {
			parents, err := store.Parents(ctx, record.Repository, edge.Target, index.Parent{}, 0)
			must(t, err)
			if len(parents) > 0 {
				t.Errorf("%s still has %v", edge.Target, parents)
			}
		}
	}
}

func rebuildOf(ctx context.Context, t *testing.T, store index.Maintainer, records []index.Record) {
	t.Helper()
	_, err := store.BeginRebuild(ctx)
	must(t, err)
	mark, err := store.Mark(ctx)
	must(t, err)
	must(t, store.Fill(ctx, mark, nil, records...))
	must(t, store.FinishRebuild(ctx))
}
