package split

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/test/rig"
)

// origin is a registry with an image in the repository app, which a referrer is about.
func origin(t *testing.T, url string) (image, referrer rig.Manifest) {
	t.Helper()
	rig.PushBlob(t, url, "app", rig.Empty)
	image = rig.Image("of the origin")
	rig.Push(t, url, "app", "v1", image).Want(t, http.StatusCreated)
	referrer = rig.Artifact("application/vnd.example.signature", "of the origin", image.Descriptor())
	content := "signature"
	referrer.Layers = &[]rig.Descriptor{{MediaType: "text/plain", Digest: rig.PushBlob(t, url, "app", content), Size: int64(len(content))}}
	rig.Push(t, url, "app", "", referrer).Want(t, http.StatusCreated)
	return image, referrer
}

// source is the setting that names a source.
func source(url, more string) string {
	return fmt.Sprintf(`referrers.sources=[{repositories: ["**"], url: "%s"%s}]`, url, more)
}

func digestsOf(entries []rig.Descriptor) []digest.Digest {
	var all []digest.Digest
	for _, entry := range entries {
		all = append(all, entry.Digest)
	}
	return slices.Sorted(slices.Values(all))
}

// Before a cache the origin's referrers are listed, and are an error where the origin
// is not named or does not answer.
func TestCache(t *testing.T) {
	behind := rig.NewOlareg(t)
	relay := rig.NewRelay(t, behind.URL)
	image, referrer := origin(t, behind.URL)
	cache := rig.NewRegistry(t, rig.Distribution3, fmt.Sprintf("proxy: {remoteurl: %q}\n", behind.URL))

	with := rig.NewBackref(t, cache.URL, "--set", "upstream.cache=true", "--set", source(relay.URL, ""))
	rig.Do(t, http.MethodGet, with.URL+"/v2/app/manifests/v1", nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
	if got := digestsOf(rig.Listing(t, with.URL, "app", image.Digest())); !slices.Equal(got, []digest.Digest{referrer.Digest()}) {
		t.Errorf("listed: %v", got)
	}
	if got := rig.Listing(t, with.URL, "app", image.Digest(), "artifactType=application/vnd.example.other"); len(got) != 0 {
		t.Errorf("of another type: %v", got)
	}

	without := rig.NewBackref(t, cache.URL, "--set", "upstream.cache=true", "--set",
		strings.Replace(source(relay.URL, ""), "**", "other/**", 1))
	refused := rig.Do(t, http.MethodGet, without.URL+"/v2/app/referrers/"+image.Digest().String(), nil).Want(t, http.StatusServiceUnavailable)
	if text := string(refused.Body); !strings.Contains(text, "referrers.sources") || !strings.Contains(text, "UNAVAILABLE") || refused.Header.Get("Retry-After") == "" {
		t.Errorf("without a source: %s", text)
	}

	relay.Before(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	})
	refused = rig.Do(t, http.MethodGet, with.URL+"/v2/app/referrers/"+image.Digest().String(), nil).Want(t, http.StatusServiceUnavailable)
	if text := string(refused.Body); !strings.Contains(text, "referrers.sources[0]") {
		t.Errorf("with a source that fails: %s", text)
	}
}

// A vendor's signatures of mirrored images are listed and pulled, with those that the
// primary has, whether the vendor has the API or a referrers tag.
func TestVendor(t *testing.T) {
	for _, tagged := range []bool{false, true} {
		t.Run(fmt.Sprintf("tagged %t", tagged), func(t *testing.T) {
			var vendor string
			if tagged {
				vendor = rig.NewRegistry(t, rig.Distribution3).URL
			} else {
				vendor = rig.NewOlareg(t).URL
			}
			image, referrer := origin(t, vendor)
			if tagged {
				rig.Push(t, vendor, "app", oci.ReferrersTag(image.Digest()), rig.Index(referrer.Descriptor())).Want(t, http.StatusCreated)
			}
			primary := rig.NewRegistry(t, rig.Distribution2)
			backref := rig.NewBackref(t, primary.URL, "--set", source(vendor, ", strip: mirror"))
			for _, repository := range []string{"mirror/app", "own/app"} {
				rig.PushBlob(t, backref.URL, repository, rig.Empty)
				rig.Push(t, backref.URL, repository, "v1", image).Want(t, http.StatusCreated)
			}
			own := rig.Artifact("application/vnd.example.signature", "own", image.Descriptor())
			rig.Push(t, backref.URL, "mirror/app", "", own).Want(t, http.StatusCreated)
			want := slices.Sorted(slices.Values([]digest.Digest{own.Digest(), referrer.Digest()}))
			if got := digestsOf(rig.Listing(t, backref.URL, "mirror/app", image.Digest())); !slices.Equal(got, want) {
				t.Errorf("listed: %v, want %v", got, want)
			}
			if got := rig.Listing(t, backref.URL, "own/app", image.Digest()); len(got) != 0 {
				t.Errorf("in a repository without a source: %v", got)
			}
			manifest := rig.Do(t, http.MethodGet, backref.URL+"/v2/mirror/app/manifests/"+referrer.Digest().String(), nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
			if string(manifest.Body) != string(referrer.Bytes()) {
				t.Errorf("the manifest: %s", manifest.Body)
			}
			blob := rig.Do(t, http.MethodGet, backref.URL+"/v2/mirror/app/blobs/"+(*referrer.Layers)[0].Digest.String(), nil).Want(t, http.StatusOK)
			if string(blob.Body) != "signature" {
				t.Errorf("the blob: %s", blob.Body)
			}
		})
	}
}

// Who may not read in the primary is shown nothing of a source, which isn't even asked.
func TestSourceIsGated(t *testing.T) {
	behind := rig.NewOlareg(t)
	relay := rig.NewRelay(t, behind.URL)
	image, referrer := origin(t, behind.URL)
	primary := rig.NewRegistry(t, rig.Distribution3)
	rig.PushBlob(t, primary.URL, "app", rig.Empty)
	rig.Push(t, primary.URL, "app", "v1", image).Want(t, http.StatusCreated)
	hiding := rig.NewRelay(t, primary.URL)
	hiding.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/v2/app/") && r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		return false
	})
	backref := rig.NewBackref(t, hiding.URL, "--set", source(relay.URL, ""))
	manifest := backref.URL + "/v2/app/manifests/" + referrer.Digest().String()
	if got := rig.Listing(t, backref.URL, "app", image.Digest()); len(got) != 0 {
		t.Errorf("listed: %v", got)
	}
	for _, asked := range relay.Seen() {
		if strings.Contains(asked, "/referrers/") {
			t.Errorf("the source was asked: %s", asked)
		}
	}
	rig.Do(t, http.MethodGet, manifest, nil).Want(t, http.StatusNotFound)
	rig.Do(t, http.MethodGet, manifest, nil, "Authorization", "Basic eDp4").Want(t, http.StatusOK)
}
