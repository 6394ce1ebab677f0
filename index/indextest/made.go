package indextest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/backref/backref/index"
)

func madeStories() []story {
	return []story{
		{"when images were made is kept", keepMade},
		{"nothing is noted of what is not recorded", madeOfNothing},
		{"when an image was made goes with its record", madeGone},
		{"when an image was made outlasts a rebuild", madeRebuilt},
		{"a referrer shows the time that it is ordered by", datedReferrers},
	}
}

func made(t *testing.T, store index.Store, repository string, manifests ...digest.Digest) map[digest.Digest]time.Time {
	t.Helper()
	got, err := store.Made(t.Context(), repository, manifests)
	must(t, err)
	return got
}

func keepMade(t *testing.T, store index.Store) {
	one, two := signature("one", name("subject")), signature("two", name("subject"))
	push(t, store, one)
	push(t, store, two)
	equal(t, "at first", made(t, store, repo, one.Digest, two.Digest), map[digest.Digest]time.Time{})
	at := after(1).Add(123456789)
	must(t, store.SetMade(t.Context(), repo, map[digest.Digest]time.Time{one.Digest: at, two.Digest: {}}))
	equal(t, "noted", made(t, store, repo, two.Digest, name("unknown"), one.Digest), map[digest.Digest]time.Time{one.Digest: at, two.Digest: {}})
	equal(t, "elsewhere", made(t, store, sibling, one.Digest), map[digest.Digest]time.Time{})
	must(t, store.SetMade(t.Context(), repo, map[digest.Digest]time.Time{two.Digest: noon}))
	must(t, store.SetMade(t.Context(), repo, nil))
	push(t, store, one)
	equal(t, "noted again", made(t, store, repo, one.Digest, two.Digest), map[digest.Digest]time.Time{one.Digest: at, two.Digest: noon})
	equal(t, "of none", made(t, store, repo), map[digest.Digest]time.Time{})
}

func madeOfNothing(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	must(t, store.SetMade(t.Context(), repo, map[digest.Digest]time.Time{record.Digest: noon}))
	push(t, store, record)
	must(t, store.SetMade(t.Context(), sibling, map[digest.Digest]time.Time{record.Digest: noon}))
	equal(t, "noted", made(t, store, repo, record.Digest), map[digest.Digest]time.Time{})
	equal(t, "noted elsewhere", made(t, store, sibling, record.Digest), map[digest.Digest]time.Time{})
}

func madeGone(t *testing.T, store index.Store) {
	record := signature("sig", name("subject"))
	push(t, store, record)
	must(t, store.SetMade(t.Context(), repo, map[digest.Digest]time.Time{record.Digest: noon}))
	remove(t, store, record)
	push(t, store, record)
	equal(t, "noted", made(t, store, repo, record.Digest), map[digest.Digest]time.Time{})
}

func madeRebuilt(t *testing.T, store index.Store) {
	keeper, is := store.(index.Maintainer)
	if !is {
		t.Skip("the store is not rebuilt")
	}
	one, two := signature("one", name("subject")), signature("two", name("subject"))
	push(t, store, one)
	must(t, store.SetMade(t.Context(), repo, map[digest.Digest]time.Time{one.Digest: noon}))
	rebuilding(t, keeper)
	must(t, keeper.Fill(t.Context(), mark(t, store), nil, one, two))
	// What only the new generation has is noted too.
	must(t, store.SetMade(t.Context(), repo, map[digest.Digest]time.Time{two.Digest: after(1)}))
	must(t, keeper.FinishRebuild(t.Context()))
	equal(t, "noted", made(t, store, repo, one.Digest, two.Digest), map[digest.Digest]time.Time{one.Digest: noon, two.Digest: after(1)})
}

func datedReferrers(t *testing.T, store index.Store) {
	subject := name("subject")
	push(t, store, signature("seen", subject))
	for what, text := range map[string]string{"stated": "2100-01-01T10:00:00.5+02:00", "wrong": "yesterday", "old": "1950-01-01T00:00:00Z"} {
		record := signature(what, subject)
		record.Annotations[index.AnnotationCreated] = text
		push(t, store, record)
	}
	want := map[digest.Digest]time.Time{
		name("seen"): noon, name("wrong"): noon, name("old"): time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC),
		name("stated"): time.Date(2100, 1, 1, 8, 0, 0, 500_000_000, time.UTC),
	}
	for _, order := range []string{"digest", "-created", "created", "artifactType", "-version"} {
		by, err := index.ParseOrder(order)
		must(t, err)
		page, err := store.Referrers(t.Context(), repo, subject, index.Query{Order: by, Dated: true})
		must(t, err)
		got := map[digest.Digest]time.Time{}
		for _, referrer := range page.Referrers {
			got[referrer.Digest] = referrer.Created
		}
		equal(t, "in the order "+order, got, want)
		page, err = store.Referrers(t.Context(), repo, subject, index.Query{Order: by, Limit: 1})
		must(t, err)
		if !page.Referrers[0].Created.IsZero() {
			t.Errorf("%s shows a time that nobody asked for", strings.TrimPrefix(order, "-"))
		}
	}
}

// setMade notes of a manifest when it was made.
func (h *history) setMade(rt *rapid.T) {
	record := h.record(rt)
	made := map[digest.Digest]time.Time{record.Digest: rapid.SampledFrom([]time.Time{{}, noon, after(1)}).Draw(rt, "made")}
	got := h.store.SetMade(rt.Context(), record.Repository, made)
	h.same(rt, got, h.model.SetMade(rt.Context(), record.Repository, made))
}

// Made implements [index.Store].
func (m *Model) Made(_ context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]time.Time, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	noted := map[digest.Digest]time.Time{}
	for _, d := range manifests {
		if at, found := m.made[manifest{repository, d}]; found {
			noted[d] = at
		}
	}
	return noted, nil
}

// SetMade implements [index.Store].
func (m *Model) SetMade(_ context.Context, repository string, made map[digest.Digest]time.Time) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for d, at := range made {
		about := manifest{repository, d}
		_, live := m.live[about]
		if _, next := m.next[about]; live || next {
			m.made[about] = at
		}
	}
	return nil
}

// createdOf is the time by which a record is ordered.
func createdOf(r index.Record) time.Time {
	if at, err := time.Parse(time.RFC3339, r.Annotations[index.AnnotationCreated]); err == nil {
		return at.UTC()
	}
	return r.Seen
}
