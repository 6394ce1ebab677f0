package indextest

import (
	"testing"

	"github.com/backref/backref/index"
)

func correctionStories() []story {
	return []story{
		upkeep("a wrong record is replaced whole, and keeps when it was seen", corrected),
		upkeep("what is not recorded, or right, is left alone", correctedNothing),
		upkeep("what was read before a delete corrects nothing", correctedStale),
		upkeep("what was read before a correction is not forgotten after it", correctedNotForgotten),
		upkeep("a rebuild gets the correction of what it has and of what it lacks", correctedRebuild),
		upkeep("a correction enters the listings that it changes", correctedOutbox),
	}
}

// mistaken returns a record and what its manifest says.
func mistaken() (wrong, right index.Record) {
	wrong, right = signature("sig", name("another")), signature("sig", name("subject"))
	wrong.ArtifactType = "application/vnd.example.wrong"
	wrong.Annotations = nil
	return wrong, right
}

func corrected(t *testing.T, store index.Maintainer) {
	for _, seconds := range []int{-10, 10} {
		wrong, right := mistaken()
		push(t, store, wrong)
		right.Seen = after(seconds)
		must(t, store.Correct(t.Context(), mark(t, store), right))
		right.Seen = wrong.Seen
		isRight(t, store, right)
		equal(t, "listing of the wrong subject", listed(t, store, repo, name("another")), nil)
		remove(t, store, right)
		gone(t, store, right)
	}
}

// isRight checks a record and all that comes of it.
func isRight(t *testing.T, store index.Maintainer, right index.Record) {
	t.Helper()
	got, err := store.Get(t.Context(), repo, right.Digest)
	must(t, err)
	equal(t, "record", got, right)
	page, err := store.Referrers(t.Context(), repo, right.Subject(), index.Query{ArtifactTypes: []string{right.ArtifactType}})
	must(t, err)
	equal(t, "entries", len(page.Referrers), 1)
	equal(t, "descriptor", page.Referrers[0].Descriptor, encode(right.Descriptor()))
	equal(t, "parents", parentsOf(t, store, right.Subject()), []index.Parent{{Digest: right.Digest, Kind: index.EdgeSubject}})
}

func correctedNothing(t *testing.T, store index.Maintainer) {
	_, right := mistaken()
	before := mark(t, store)
	must(t, store.Correct(t.Context(), before, right))
	gone(t, store, right)
	remove(t, store, right)
	must(t, store.Correct(t.Context(), before, right))
	gone(t, store, right)
	push(t, store, right)
	later := right
	later.Seen = after(-10)
	must(t, store.Correct(t.Context(), before, later))
	isRight(t, store, right)
}

func correctedStale(t *testing.T, store index.Maintainer) {
	wrong, right := mistaken()
	push(t, store, wrong)
	before := mark(t, store)
	id := begin(t, store, index.IntentDelete, wrong)
	mustBe(t, store.Correct(t.Context(), before, right), index.ErrStale)
	isRight(t, store, wrong)
	begun := mark(t, store)
	must(t, store.Confirm(t.Context(), id, after(1)))
	push(t, store, wrong)
	mustBe(t, store.Correct(t.Context(), begun, right), index.ErrStale)
	isRight(t, store, wrong)
	must(t, store.Correct(t.Context(), mark(t, store), right))
	isRight(t, store, right)
}

func correctedNotForgotten(t *testing.T, store index.Maintainer) {
	wrong, right := mistaken()
	push(t, store, wrong)
	before := mark(t, store)
	must(t, store.Correct(t.Context(), before, right))
	mustBe(t, store.Forget(t.Context(), before, repo, right.Digest), index.ErrStale)
	isRight(t, store, right)
}

func correctedRebuild(t *testing.T, store index.Maintainer) {
	for _, has := range []bool{true, false} {
		wrong, right := mistaken()
		push(t, store, wrong)
		rebuilding(t, store)
		if has {
			fill(t, store, wrong)
		}
		must(t, store.Correct(t.Context(), mark(t, store), right))
		isRight(t, store, right)
		// One that copies what was live before comes too late.
		fill(t, store, wrong)
		must(t, store.FinishRebuild(t.Context()))
		isRight(t, store, right)
		remove(t, store, right)
	}
	// One that is in the making alone is a record too.
	wrong, right := mistaken()
	rebuilding(t, store)
	fill(t, store, wrong)
	must(t, store.Correct(t.Context(), mark(t, store), right))
	gone(t, store, right)
	must(t, store.FinishRebuild(t.Context()))
	isRight(t, store, right)
}

func correctedOutbox(t *testing.T, store index.Maintainer) {
	wrong, right := mistaken()
	push(t, store, wrong)
	mirrored(t, store)
	must(t, store.Correct(t.Context(), mark(t, store), right))
	equal(t, "entered", entered(t, store), subjectsOf("another", "subject"))
	written(t, store)
	must(t, store.Correct(t.Context(), mark(t, store), right))
	equal(t, "entered by no change", entered(t, store), nil)
}
