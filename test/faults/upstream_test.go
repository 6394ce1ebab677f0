package faults

import (
	"net/http"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// The connection to the registry is cut when it has the manifest: the client
// gets an error, and the manifest is listed, since it is there.
func TestAnswerOfThePushIsLost(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version)
		referrer := rig.Artifact("application/vnd.example.x", "x", s.subject.Descriptor())
		matches := isManifest(http.MethodPut, referrer.Digest())
		s.relay.After(func(r *http.Request, _ int) {
			if matches(r) {
				panic(http.ErrAbortHandler)
			}
		})
		if s.try(t, referrer) {
			t.Fatal("acknowledged without an answer")
		}
		s.relay.After(nil)
		if !s.listed(t, referrer) {
			t.Error("not listed although the registry has it")
		}
	})
}

// The registry is away: queries that have to ask it are errors, and right
// again when it is back.
func TestRegistryIsAway(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		backref := rig.NewBackref(t, registry.URL, "--set", "permissions.cacheTTL=0", "--set", "referrers.recheckTag=0")
		rig.PushBlob(t, backref.URL, "app", rig.Empty)
		image := rig.Image("subject")
		rig.Push(t, backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		referrer := rig.Artifact("application/vnd.example.x", "x", image.Descriptor())
		rig.Push(t, backref.URL, "app", "", referrer).Want(t, http.StatusCreated)

		registry.Kill()
		url := backref.URL + "/v2/app/referrers/" + image.Digest().String()
		got := rig.Do(t, http.MethodGet, url, nil).Want(t, http.StatusBadGateway)
		if got.Header.Get("Retry-After") == "" || !strings.Contains(string(got.Body), `"UNAVAILABLE"`) {
			t.Errorf("header %v: %s", got.Header, got.Body)
		}
		second := rig.Artifact("application/vnd.example.x", "second", image.Descriptor())
		rig.Push(t, backref.URL, "app", "", second).Want(t, http.StatusBadGateway)

		registry.Restart()
		if listed := rig.Listing(t, backref.URL, "app", image.Digest()); len(listed) != 1 || listed[0].Digest != referrer.Digest() {
			t.Errorf("listed %v", listed)
		}
		rig.Push(t, backref.URL, "app", "", second).Want(t, http.StatusCreated)
		if listed := rig.Listing(t, backref.URL, "app", image.Digest()); len(listed) != 2 {
			t.Errorf("listed %v", listed)
		}
	})
}
