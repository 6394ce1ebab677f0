package requirements

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// lockReleases locks the tags that are releases.
const lockReleases = `tags.locks=[{name: releases, repositories: ["**"], versions: releases}]`

// wantDenied fails the test unless an answer is that of a rule that denies.
func wantDenied(t *testing.T, got rig.Reply, rule string) {
	t.Helper()
	var answer struct {
		Errors []struct{ Code, Message string }
	}
	err := json.Unmarshal(got.Body, &answer)
	if err != nil || got.Status != http.StatusForbidden || len(answer.Errors) != 1 || answer.Errors[0].Code != "DENIED" ||
		!strings.Contains(answer.Errors[0].Message, "rule "+rule) {
		t.Errorf("status %d: %s; want it denied by %s", got.Status, got.Body, rule)
	}
}

// C6: a locked tag can't be moved or deleted, nor what it holds; signatures and
// SBOMs can still be added, and taken away.
func TestC6TagLocks(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version, "--set", lockReleases, "--set", "upstream.service.anonymous=true")
		amd64, arm64, next := rig.Image("amd64"), rig.Image("arm64"), rig.Image("next")
		release := rig.Index(amd64.Descriptor(), arm64.Descriptor())
		push := func(tag string, m rig.Manifest) rig.Reply { return rig.Push(t, s.backref.URL, "app", tag, m) }
		remove := func(reference string) rig.Reply {
			return rig.Do(t, http.MethodDelete, s.backref.URL+"/v2/app/manifests/"+reference, nil)
		}
		for _, m := range []rig.Manifest{amd64, arm64, next} {
			push("", m).Want(t, http.StatusCreated)
		}
		push("v1.0.0", release).Want(t, http.StatusCreated)
		push("v1.0.0", release).Want(t, http.StatusCreated)
		push("latest", release).Want(t, http.StatusCreated)

		wantDenied(t, push("v1.0.0", next), "releases")
		wantDenied(t, remove("v1.0.0"), "releases")
		for _, held := range []rig.Manifest{release, amd64, arm64} {
			wantDenied(t, remove(held.Digest().String()), "releases")
		}
		// A registry may delete the manifest with a tag, unless it is known not to.
		wantDenied(t, remove("latest"), "releases")

		signature := rig.Artifact("application/vnd.example.signature", "signature", release.Descriptor())
		sbom := rig.Artifact("application/vnd.example.sbom", "sbom", amd64.Descriptor())
		for _, m := range []rig.Manifest{signature, sbom} {
			push("", m).Want(t, http.StatusCreated)
		}
		wantListed(t, s.backref.URL, "app", release.Digest(), signature)
		remove(signature.Digest().String()).Want(t, http.StatusAccepted)
		wantListed(t, s.backref.URL, "app", release.Digest())
		wantListed(t, s.backref.URL, "app", amd64.Digest(), sbom)

		push("latest", next).Want(t, http.StatusCreated)
		remove(next.Digest().String()).Want(t, http.StatusAccepted)
		stands := rig.Do(t, http.MethodGet, s.registry.URL+"/v2/app/manifests/v1.0.0", nil, "Accept", rig.ImageIndex).Want(t, http.StatusOK)
		if string(stands.Body) != string(release.Bytes()) {
			t.Errorf("the locked tag is %s", stands.Body)
		}

		push("latest", next).Want(t, http.StatusCreated)
		for reference, says := range map[string][]string{
			":v1.0.0":                         {"there: " + release.Digest().String()[:19] + ", held by releases", "move    deny"},
			":latest":                         {"there: " + next.Digest().String()[:19] + ", held by no locked tag", "move    allow"},
			":v9":                             {"the registry has no such tag or manifest"},
			"@" + arm64.Digest().String():     {"an index behind tag v1.0.0 lists it", "delete  deny"},
			"@" + signature.Digest().String(): {"the registry has no such tag or manifest"},
		} {
			got := rig.RunCommandLine(t, t.TempDir(), "policy", "explain", "app"+reference, "--set", lockReleases, "--admin", s.backref.AdminURL)
			for _, text := range says {
				if !strings.Contains(got, text) {
					t.Errorf("policy explain app%s says not %q: %s", reference, text, got)
				}
			}
		}

		s.backref.Restart("--set", "tags.deletion=tag")
		push("latest", release).Want(t, http.StatusCreated)
		if status := remove("latest").Status; (status == http.StatusAccepted) != (version == rig.Distribution3) {
			t.Errorf("an unlocked tag is deleted alone: status %d", status)
		}
		rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/manifests/v1.0.0", nil, "Accept", rig.ImageIndex).Want(t, http.StatusOK)

		// What is gone past backref is free again.
		rig.Do(t, http.MethodDelete, s.registry.URL+"/v2/app/manifests/"+release.Digest().String(), nil).Want(t, http.StatusAccepted)
		push("", next).Want(t, http.StatusCreated)
		push("v1.0.0", next).Want(t, http.StatusCreated)
		wantDenied(t, push("v1.0.0", release), "releases")
	})
}

// C6: in front of a registry without deletes a lock denies as elsewhere, and what is
// not locked gets the registry's own answer.
func TestC6TagLocksWithoutDeletes(t *testing.T) {
	t.Setenv("REGISTRY_STORAGE_DELETE_ENABLED", "false")
	onEach(t, func(t *testing.T, s stage) {
		release, other := rig.Image("release"), rig.Image("other")
		rig.Push(t, s.backref.URL, "app", "1.0.0", release).Want(t, http.StatusCreated)
		rig.Push(t, s.backref.URL, "app", "other", other).Want(t, http.StatusCreated)
		remove := func(base, reference string) rig.Reply {
			return rig.Do(t, http.MethodDelete, base+"/v2/app/manifests/"+reference, nil)
		}
		wantDenied(t, rig.Push(t, s.backref.URL, "app", "1.0.0", other), "releases")
		wantDenied(t, remove(s.backref.URL, "1.0.0"), "releases")
		wantDenied(t, remove(s.backref.URL, release.Digest().String()), "releases")
		got, direct := remove(s.backref.URL, other.Digest().String()), remove(s.registry.URL, other.Digest().String())
		if got.Status != direct.Status || string(got.Body) != string(direct.Body) || got.Status < 400 {
			t.Errorf("%d: %s; the registry says %d: %s", got.Status, got.Body, direct.Status, direct.Body)
		}
		rig.Do(t, http.MethodHead, s.backref.URL+"/v2/app/manifests/other", nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
	}, "--set", lockReleases)
}
