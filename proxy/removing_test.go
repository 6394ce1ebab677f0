package proxy_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// What is being removed is listed no more, whatever the registry still has and says:
// by its own API, by a referrers tag, and when the manifest is pulled. A push of it
// has it listed again.
func TestWhatIsBeingRemovedStaysUnlisted(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	kept, goes := referrer("kept", subject), referrer("goes", subject)
	f.push("app", kept)
	f.push("app", goes)
	name := digest.FromBytes(goes)
	ids, err := f.store.Remove(t.Context(), time.Now(), index.Key{Repository: "app", Digest: name})
	if err != nil {
		t.Fatal(err)
	}
	f.registry.put("app", indexOf(kept, goes), oci.ReferrersTag(subject))
	f.registry.answer(ownReferrers(kept, goes))
	want := func(what string, want ...[]byte) {
		t.Helper()
		if got := f.list("app", subject); !slices.Equal(got, sorted(want...)) {
			t.Errorf("%s: listed %v, want %v", what, got, sorted(want...))
		}
	}
	want("while it is removed", kept)
	if got := f.do(http.MethodGet, "/v2/app/manifests/"+name.String(), nil); got.status != http.StatusOK {
		t.Fatalf("pulled: %d", got.status)
	}
	want("after it was pulled", kept)
	if _, tagged := f.underTag("app", subject); !slices.Equal(tagged, sorted(kept)) {
		t.Errorf("under the tag %v", tagged)
	}

	f.push("app", goes)
	want("pushed again", kept, goes)
	if removing, err := f.store.Removals(t.Context(), "app", 0, 0); err != nil || len(removing) != 0 {
		t.Errorf("removals %v after %v, %v", removing, ids, err)
	}
}

// A push that replaces a referrer has both change places in one listing.
func TestAReplacedReferrerIsListedNoMore(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	old, fresh := referrer("old", subject), referrer("new", subject)
	f.push("app", old)
	f.registry.answer(ownReferrers(old))
	if got := f.list("app", subject); !slices.Equal(got, sorted(old)) {
		t.Fatalf("listed %v", got)
	}
	record := index.Record{Repository: "app", Manifest: index.Manifest{
		Digest: digest.FromBytes(fresh), MediaType: oci.MediaTypeImageManifest, Size: int64(len(fresh)),
		Edges: []index.Edge{{Kind: index.EdgeSubject, Target: subject}},
	}}
	id, err := f.store.Begin(t.Context(), index.Intent{
		Kind: index.IntentPush, Record: record, Deadline: time.Now().Add(time.Minute), Replaces: []digest.Digest{digest.FromBytes(old)},
	})
	if err != nil {
		t.Fatal(err)
	}
	// Nobody has confirmed it: the next reader finds that the registry has it.
	f.registry.put("app", fresh)
	if got := f.list("app", subject); !slices.Equal(got, sorted(fresh)) {
		t.Errorf("listed %v after push %d, want %v", got, id, sorted(fresh))
	}
}
