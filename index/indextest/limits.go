package indextest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

func limitStories() []story {
	return []story{
		{"what is not valid is refused", refused},
		{"a context that has ended ends every call", endedContext},
		{"a mark that the store never gave is good for nothing", unknownMark},
		{"a large manifest fits", largeManifest},
	}
}

// call is a method with arguments.
type call struct {
	name string
	err  error
}

// calls makes every call for a manifest, a subject and an intent.
func calls(ctx context.Context, store index.Store, record index.Record) []call {
	var list []call
	add := func(name string, err error) { list = append(list, call{name, err}) }
	_, err := store.Get(ctx, record.Repository, record.Digest)
	add("Get", err)
	_, err = store.Referrers(ctx, record.Repository, record.Digest, index.Query{})
	add("Referrers", err)
	_, _, err = store.Manifests(ctx, record.Repository, index.Query{After: index.Cursor{Key: "key", Digest: record.Digest}})
	add("Manifests", err)
	_, err = store.Parents(ctx, record.Repository, record.Digest, index.Parent{}, 0)
	add("Parents", err)
	add("Observe", store.Observe(ctx, 0, record))
	for _, kind := range []index.IntentKind{index.IntentPush, index.IntentDelete} {
		_, err = store.Begin(ctx, index.Intent{Kind: kind, Record: record})
		add("Begin "+kind.String(), err)
	}
	_, err = store.Unsettled(ctx, record.Repository, record.Digest)
	add("Unsettled", err)
	_, err = store.Subjects(ctx, record.Repository, []digest.Digest{record.Digest})
	add("Subjects", err)
	_, err = store.Made(ctx, record.Repository, []digest.Digest{record.Digest})
	add("Made", err)
	add("SetMade", store.SetMade(ctx, record.Repository, map[digest.Digest]time.Time{record.Digest: noon}))
	_, err = store.Remove(ctx, noon, record.Key())
	add("Remove", err)
	_, err = store.Removing(ctx, record.Repository, []digest.Digest{record.Digest})
	add("Removing", err)
	add("SetUnheld", store.SetUnheld(ctx, record.Repository, record.Digest, true))
	if keeper, is := store.(index.Maintainer); is {
		add("Forget", keeper.Forget(ctx, 0, record.Repository, record.Digest))
		add("Correct", keeper.Correct(ctx, 0, record))
		add("Fill", keeper.Fill(ctx, 0, nil, record))
		add("Written", keeper.Written(ctx, index.Change{Repository: record.Repository, Subject: record.Digest}))
	}
	return list
}

// upkeepCalls makes the calls of a Maintainer that are about no manifest.
func upkeepCalls(ctx context.Context, store index.Store) []call {
	keeper, is := store.(index.Maintainer)
	if !is {
		return nil
	}
	_, intents := keeper.Intents(ctx, 0, 1)
	_, records := keeper.Records(ctx, index.Key{}, 1)
	_, stats := keeper.Stats(ctx)
	_, begin := keeper.BeginRebuild(ctx)
	_, _, unfilled := keeper.Unfilled(ctx, index.Key{}, 1)
	_, changed := keeper.Changed(ctx, 0, 1)
	list := []call{
		{"Intents", intents},
		{"Records", records},
		{"Stats", stats},
		{"BeginRebuild", begin},
		{"Unfilled", unfilled},
		{"FinishRebuild", keeper.FinishRebuild(ctx)},
		{"AbandonRebuild", keeper.AbandonRebuild(ctx)},
		{"SetOutbox", keeper.SetOutbox(ctx, true)},
		{"Changed", changed},
	}
	_, arrivals := keeper.Arrivals(ctx, 0, 1)
	_, latest := keeper.Latest(ctx, "", 0, 1)
	_, count := keeper.CountNews(ctx)
	_, trim := keeper.TrimNews(ctx, 1, 1)
	list = append(list, call{"SetNews", keeper.SetNews(ctx, true)}, call{"Arrivals", arrivals}, call{"Latest", latest},
		call{"CountNews", count}, call{"TrimNews", trim})
	list = append(list, journalCalls(ctx, keeper, index.BookAudit)...)
	if copier, is := store.(index.Copier); is {
		list = append(list, call{"Backup", copier.Backup(ctx, io.Discard)})
	}
	return list
}

// refusedCalls checks that all calls gave an error.
func refusedCalls(t *testing.T, calls []call, want error) {
	t.Helper()
	for _, call := range calls {
		if !errors.Is(call.err, want) {
			t.Errorf("%s: got error %v, want %v", call.name, call.err, want)
		}
	}
}

func refused(t *testing.T, store index.Store) {
	upper := digest.Digest("sha256:" + strings.ToUpper(name("sig").Encoded()))
	for _, wrong := range []digest.Digest{
		"", "sha256", "sha256:", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", upper,
		name("sig") + "00", "sha512:" + digest.Digest(name("sig").Encoded()), "sha256:" + digest.Digest(strings.Repeat("g", 64)),
	} {
		record := signature("sig", name("subject"))
		record.Digest = wrong
		refusedCalls(t, calls(t.Context(), store, record), index.ErrInvalid)
		if wrong == "" {
			continue
		}
		_, err := store.Referrers(t.Context(), repo, name("subject"), index.Query{After: index.Cursor{Digest: wrong}})
		mustBe(t, err, index.ErrInvalid)
		_, err = store.Parents(t.Context(), repo, name("subject"), index.Parent{Digest: wrong}, 0)
		mustBe(t, err, index.ErrInvalid)
	}
	for _, wrong := range []string{"a\x00b", strings.Repeat("a/", 1<<20)} {
		_, err := store.Removals(t.Context(), wrong, 0, 1)
		mustBe(t, err, index.ErrInvalid)
	}
	for _, wrong := range []string{"", "a\x00b", strings.Repeat("a/", 1<<20)} {
		record := signature("sig", name("subject"))
		record.Repository = wrong
		refusedCalls(t, calls(t.Context(), store, record), index.ErrInvalid)
		_, err := store.Begin(t.Context(), index.Intent{Kind: index.IntentImport, Record: index.Record{Repository: repo}, Tag: wrong})
		mustBe(t, err, index.ErrInvalid)
	}
	edge := signature("sig", name("subject"))
	edge.Edges[1].Target = "sha256:1"
	mustBe(t, store.Observe(t.Context(), mark(t, store), signature("other", name("subject")), edge), index.ErrInvalid)
	_, err := store.Begin(t.Context(), index.Intent{Kind: index.IntentPush, Record: edge})
	mustBe(t, err, index.ErrInvalid)
	if keeper, is := store.(index.Maintainer); is {
		mustBe(t, keeper.Correct(t.Context(), mark(t, store), edge), index.ErrInvalid)
		rebuilding(t, keeper)
		mustBe(t, keeper.Fill(t.Context(), mark(t, store), []byte("x"), signature("other", name("subject")), edge), index.ErrInvalid)
		rebuilding(t, keeper)
		equal(t, "unfilled", walkUnfilled(t, keeper, 1), nil)
		must(t, keeper.AbandonRebuild(t.Context()))
	}
	for _, kind := range []index.IntentKind{0, 4, 255} {
		_, err := store.Begin(t.Context(), index.Intent{Kind: kind, Record: signature("sig", name("subject"))})
		mustBe(t, err, index.ErrInvalid)
	}
	equal(t, "listing", listed(t, store, repo, name("subject")), nil)
	equal(t, "open", unsettled(t, store, name("subject")), nil)
}

func endedContext(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	id := begin(t, store, index.IntentPush, record)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	all := calls(ctx, store, signature("other", name("subject")))
	_, err := store.Mark(ctx)
	_, removals := store.Removals(ctx, "", 0, 1)
	all = append(all, call{"Mark", err}, call{"Removals", removals},
		call{"Confirm", store.Confirm(ctx, id, after(1))},
		call{"Cancel", store.Cancel(ctx, id)},
		call{"Settle", store.Settle(ctx, id, index.Finding{Present: true, At: after(90)})})
	refusedCalls(t, append(all, upkeepCalls(ctx, store)...), context.Canceled)
	equal(t, "open", ids(unsettled(t, store, name("subject"))), []index.IntentID{id})
	equal(t, "listing", listed(t, store, repo, name("subject")), nil)
}

func unknownMark(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	ahead := mark(t, store) + 1000
	mustBe(t, store.Observe(t.Context(), ahead, record), index.ErrStale)
	id := begin(t, store, index.IntentPush, record)
	mustBe(t, store.Settle(t.Context(), id, index.Finding{Mark: ahead, At: after(61), Present: true}), index.ErrStale)
	mustBe(t, store.Settle(t.Context(), id, index.Finding{Mark: ahead, At: after(61)}), index.ErrStale)
	equal(t, "open", ids(unsettled(t, store, name("subject"))), []index.IntentID{id})
	removal := removing(t, store, signature("removed", name("subject")))[0]
	mustBe(t, store.Settle(t.Context(), removal, index.Finding{Mark: ahead, At: after(61)}), index.ErrStale)
	equal(t, "removals", ids(removalsOf(t, store, repo)), []index.IntentID{removal})

	keeper, is := store.(index.Maintainer)
	if !is {
		return
	}
	must(t, store.Confirm(t.Context(), id, after(1)))
	wrong := record
	wrong.ArtifactType = "application/vnd.example.wrong"
	mustBe(t, keeper.Forget(t.Context(), ahead, repo, record.Digest), index.ErrStale)
	mustBe(t, keeper.Correct(t.Context(), ahead, wrong), index.ErrStale)
	rebuilding(t, keeper)
	mustBe(t, keeper.Fill(t.Context(), ahead, []byte("stale"), record), index.ErrStale)
	rebuilding(t, keeper)
	equal(t, "listing", listed(t, store, repo, name("subject")), sorted(record))
}

func largeManifest(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	record.Annotations["large"] = strings.Repeat("large\n", 1<<19)
	for i := range 2000 {
		record.Edges = append(record.Edges, index.Edge{Kind: index.EdgeLayer, Target: name(fmt.Sprint(i))})
	}
	record.Seen = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	push(t, store, record)
	got, err := store.Get(t.Context(), repo, record.Digest)
	must(t, err)
	equal(t, "record", got, record)
	remove(t, store, record)
	equal(t, "listing", listed(t, store, repo, name("subject")), nil)
}
