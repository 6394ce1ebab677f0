package access

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// A token that allows one thing is enough for that thing, as it is at the
// registry itself: what backref asks besides decides nothing.
func TestATokenForOneThing(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		tokens := newTokens(t)
		registry := rig.NewRegistry(t, version, tokens.RegistryConfig(""))
		backref := rig.NewBackref(t, registry.URL)
		bearer := func(actions string) string { return "Bearer " + tokens.Token("ann", "repository:app:"+actions) }
		subject, referrer := pushPair(t, backref.URL, bearer("pull,push"))
		listed := func() bool {
			t.Helper()
			got := rig.Do(t, http.MethodGet, backref.URL+"/v2/app/referrers/"+subject.Digest().String(), nil, "Authorization", bearer("pull")).Want(t, http.StatusOK)
			return strings.Contains(string(got.Body), referrer.Digest().String())
		}
		push := func(base, tag, actions string, headers ...string) rig.Reply {
			t.Helper()
			return rig.Do(t, http.MethodPut, base+"/v2/app/manifests/"+tag, referrer.Bytes(),
				append(headers, "Authorization", bearer(actions), "Content-Type", referrer.MediaType)...)
		}
		for _, actions := range []string{"push", "pull,push", "pull", "delete"} {
			for i, condition := range []string{`*`, `"` + digest.FromString("another").String() + `"`} {
				tag := "new-" + strings.ReplaceAll(actions, ",", "-") + string(rune('a'+i))
				want := push(registry.URL, "direct-"+tag, actions, "If-None-Match", condition)
				if got := push(backref.URL, tag, actions, "If-None-Match", condition); got.Status != want.Status {
					t.Errorf("push with the right to %s: status %d, the registry's is %d: %s", actions, got.Status, want.Status, got.Body)
				}
			}
		}
		// Distribution knows no conditions: where they can be checked, they hold.
		push(backref.URL, "new-pull-pusha", "pull,push", "If-None-Match", "*").Want(t, http.StatusPreconditionFailed)

		for _, actions := range []string{"delete", "pull", ""} {
			push(backref.URL, "doomed", "pull,push").Want(t, http.StatusCreated)
			push(registry.URL, "doomed-directly", "pull,push").Want(t, http.StatusCreated)
			want := rig.Do(t, http.MethodDelete, registry.URL+"/v2/app/manifests/doomed-directly", nil, "Authorization", bearer(actions))
			got := rig.Do(t, http.MethodDelete, backref.URL+"/v2/app/manifests/doomed", nil, "Authorization", bearer(actions))
			if got.Status != want.Status || got.Header.Get("Www-Authenticate") != want.Header.Get("Www-Authenticate") {
				t.Errorf("delete of a tag with the right to %q: %d %v, the registry says %d %v", actions, got.Status, got.Header, want.Status, want.Header)
			}
			// The manifest stays.
			if !listed() {
				t.Errorf("deleting a tag with the right to %q took the manifest out of the listing", actions)
			}
		}
	})
}
