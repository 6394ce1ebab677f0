package indextest

import (
	"encoding/json"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// looks are the listings as they were seen last, each with its version.
type looks map[string]look

type look struct {
	version uint64
	seen    string
}

// compareVersions checks that a listing has the version of its last look only
// where it still looks the same. The store must be a [index.Versioner] for that.
func (h *history) compareVersions(repository string, subject digest.Digest) {
	versioner, able := h.store.(index.Versioner)
	if !able {
		return
	}
	if follower, follows := h.store.(index.Follower); follows {
		h.check(h.t, follower.CatchUp(h.t.Context()))
	}
	version := versioner.Version(repository, oci.ReferrersTag(subject))
	page, err := h.store.Referrers(h.t.Context(), repository, subject, index.Query{})
	h.check(h.t, err)
	open, err := h.store.Unsettled(h.t.Context(), repository, subject)
	h.check(h.t, err)
	seen, err := json.Marshal([]any{append([]index.Referrer{}, page.Referrers...), append([]index.Intent{}, open...)})
	h.check(h.t, err)
	name := repository + "@" + subject.String()
	before, known := h.looks[name]
	if known && before.version == version && before.seen != string(seen) {
		h.t.Fatalf("%s has version %d as before, but changed from\n%s\nto\n%s", name, version, before.seen, seen)
	}
	h.looks[name] = look{version, string(seen)}
}
