package faults

import (
	"net/http"
	"os"
	"path/filepath"
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

// In place of the registry something else answers 404 to everything, as an ingress
// does whose backend is away: nothing that was acknowledged is held for gone by
// that, neither by a query or the settling, nor by a verification or a rebuild.
func TestAnotherServerInPlaceOfTheRegistry(t *testing.T) {
	s := newStage(t, rig.Distribution2, "--set", "upstream.service.anonymous=true", "--set", "reconcile.settleInterval=50ms",
		"--set", "upstream.timeouts.grace=1ms", "--set", "upstream.timeouts.connect=250ms", "--set", "upstream.timeouts.responseHeader=2s",
		"--set", "reconcile.missingTwice=0", "--set", "permissions.cacheTTL=0")
	kept := rig.Artifact("application/vnd.example.x", "kept", s.subject.Descriptor())
	if !s.try(t, kept) {
		t.Fatal("not acknowledged")
	}
	// The outcome of this one is unknown, so that the registry has to be asked.
	open := rig.Artifact("application/vnd.example.x", "open", s.subject.Descriptor())
	matches := isManifest(http.MethodPut, open.Digest())
	s.relay.After(func(r *http.Request, _ int) {
		if matches(r) {
			panic(http.ErrAbortHandler)
		}
	})
	if s.try(t, open) {
		t.Fatal("acknowledged without an answer")
	}
	s.relay.After(nil)
	s.relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
		http.Error(w, "default backend - 404", http.StatusNotFound)
		return true
	})
	// What was found of the registry before counts for a moment.
	url := s.backref.URL + "/v2/app/referrers/" + s.subject.Digest().String()
	waitFor(t, "an error", func() bool { return rig.Do(t, http.MethodGet, url, nil).Status == http.StatusBadGateway })
	waitFor(t, "the settling", func() bool {
		return strings.Contains(string(rig.Do(t, http.MethodGet, s.backref.AdminURL+"/metrics", nil).Body), `backref_intents_settled_total{kind="push",result="failed"} 1`)
	})
	for _, args := range [][]string{{"verify", "--fix"}, {"rebuild"}, {"rebuild", "--repositories-from", namesFile(t, "app")}} {
		if got := s.backref.Try(t, append([]string{"index"}, args...)...); got.Err == nil {
			t.Errorf("%v found nothing wrong: %s", args, got.Stdout)
		}
	}
	s.relay.Before(nil)
	waitFor(t, "the listing", func() bool { return rig.Do(t, http.MethodGet, url, nil).Status == http.StatusOK })
	for _, referrer := range []rig.Manifest{kept, open} {
		if !s.listed(t, referrer) {
			t.Errorf("%s is not listed any more", referrer.Digest())
		}
	}
}

// namesFile writes names, one a line.
func namesFile(t *testing.T, names ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(path, []byte(strings.Join(names, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
