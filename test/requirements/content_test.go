package requirements

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// C1: artifacts with several blobs, none, or annotations only, and on each
// other.
func TestC1Artifacts(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("c1")
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		several := rig.Artifact("application/vnd.example.several", "several", image.Descriptor())
		second := rig.BlobDescriptor("application/vnd.example.second")
		second.Digest = rig.PushBlob(t, s.backref.URL, "app", "second")
		second.Size = int64(len("second"))
		several.Layers = &[]rig.Descriptor{rig.BlobDescriptor("application/vnd.example.first"), second}
		none := rig.Artifact("application/vnd.example.none", "none", image.Descriptor())
		none.Layers = &[]rig.Descriptor{}
		for _, m := range []rig.Manifest{several, none} {
			rig.Push(t, s.backref.URL, "app", "", m).Want(t, http.StatusCreated)
		}
		wantListed(t, s.backref.URL, "app", image.Digest(), several, none)

		onArtifact := rig.Artifact("application/vnd.example.signature", "of an artifact", several.Descriptor())
		rig.Push(t, s.backref.URL, "app", "", onArtifact).Want(t, http.StatusCreated)
		wantListed(t, s.backref.URL, "app", several.Digest(), onArtifact)
	})
}

// C2: a deleted referrer is listed no more; the rest is.
func TestC2Delete(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("c2")
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		kept := rig.Artifact("application/vnd.example.kept", "kept", image.Descriptor())
		gone := rig.Artifact("application/vnd.example.gone", "gone", image.Descriptor())
		for _, m := range []rig.Manifest{kept, gone} {
			rig.Push(t, s.backref.URL, "app", "", m).Want(t, http.StatusCreated)
		}
		remove := func() rig.Reply {
			return rig.Do(t, http.MethodDelete, s.backref.URL+"/v2/app/manifests/"+gone.Digest().String(), nil)
		}
		remove().Want(t, http.StatusAccepted)
		wantListed(t, s.backref.URL, "app", image.Digest(), kept)
		remove().Want(t, http.StatusNotFound)
		rig.Push(t, s.backref.URL, "app", "", gone).Want(t, http.StatusCreated)
		wantListed(t, s.backref.URL, "app", image.Digest(), kept, gone)

		// A subject that goes leaves its referrers.
		rig.Do(t, http.MethodDelete, s.backref.URL+"/v2/app/manifests/"+image.Digest().String(), nil).Want(t, http.StatusAccepted)
		wantListed(t, s.backref.URL, "app", image.Digest(), kept, gone)
	})
}

// C2: deleting a tag keeps the listing right, whether the registry allows it
// (3.x, which leaves the manifest) or not (2.8).
func TestC2DeleteByTag(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version)
		image := rig.Image("c2")
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		artifact := rig.Artifact("application/vnd.example.x", "x", image.Descriptor())
		rig.Push(t, s.backref.URL, "app", "sbom", artifact).Want(t, http.StatusCreated)
		status := rig.Do(t, http.MethodDelete, s.backref.URL+"/v2/app/manifests/sbom", nil).Status
		if allowed := status == http.StatusAccepted; allowed != (version == rig.Distribution3) {
			t.Errorf("status %d", status)
		}
		wantListed(t, s.backref.URL, "app", image.Digest(), artifact)
	})
}

// C3: push a referrer before its subject exists.
func TestC3ReferrerBeforeSubject(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("c3")
		artifact := rig.Artifact("application/vnd.example.early", "early", image.Descriptor())
		got := rig.Push(t, s.backref.URL, "app", "", artifact).Want(t, http.StatusCreated)
		if got.Header.Get("OCI-Subject") != image.Digest().String() {
			t.Errorf("OCI-Subject %q", got.Header.Get("OCI-Subject"))
		}
		wantListed(t, s.backref.URL, "app", image.Digest(), artifact)
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		wantListed(t, s.backref.URL, "app", image.Digest(), artifact)
	})
}

// Listings are for those who may read.
func TestListingNeedsPermission(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version, "auth:\n  htpasswd: {realm: private, path: "+htpasswd(t)+"}\n")
		backref := rig.NewBackref(t, registry.URL)
		signedIn := []string{"Authorization", "Basic dXNlcjpwYXNz"}
		subject := rig.Image("private").Descriptor()
		artifact := rig.Artifact("application/vnd.example.x", "x", subject)
		url := backref.URL + "/v2/app/referrers/" + subject.Digest.String()

		for name, headers := range map[string][]string{"nobody": nil, "wrong password": {"Authorization", "Basic dXNlcjp3cm9uZw=="}} {
			got := rig.Do(t, http.MethodGet, url, nil, headers...).Want(t, http.StatusUnauthorized)
			direct := rig.Do(t, http.MethodGet, registry.URL+"/v2/app/manifests/x", nil, headers...)
			if got.Header.Get("WWW-Authenticate") != direct.Header.Get("WWW-Authenticate") || got.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: challenge %q, the registry's is %q", name, got.Header.Get("WWW-Authenticate"), direct.Header.Get("WWW-Authenticate"))
			}
		}
		begun := rig.Do(t, http.MethodPost, backref.URL+"/v2/app/blobs/uploads/", nil, signedIn...).Want(t, http.StatusAccepted)
		rig.Do(t, http.MethodPut, begun.Location+"&digest="+digest.FromString(rig.Empty).String(), []byte(rig.Empty), signedIn...).Want(t, http.StatusCreated)
		rig.Do(t, http.MethodPut, backref.URL+"/v2/app/manifests/"+artifact.Digest().String(), artifact.Bytes(),
			append([]string{"Content-Type", artifact.MediaType}, signedIn...)...).Want(t, http.StatusCreated)
		rig.Do(t, http.MethodGet, url, nil, signedIn...).Want(t, http.StatusOK)
		rig.Do(t, http.MethodGet, url, nil).Want(t, http.StatusUnauthorized)
		for _, line := range backref.Log() {
			for _, secret := range []string{"dXNlcjpwYXNz", "dXNlcjp3cm9uZw"} {
				if strings.Contains(line, secret) {
					t.Errorf("the log has a credential: %s", line)
				}
			}
		}
	})
}
