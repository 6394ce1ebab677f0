package maintenance

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// multiArch pushes an image for two platforms under a tag. Without one the tag
// is the image's own digest, as oc-mirror and cosign copy have it.
func multiArch(t *testing.T, base, repository, tag string) (image rig.Manifest, own string) {
	t.Helper()
	rig.PushBlob(t, base, repository, rig.Empty)
	var entries []rig.Descriptor
	for _, architecture := range []string{"amd64", "arm64"} {
		one := rig.Image(architecture)
		rig.Push(t, base, repository, "", one).Want(t, http.StatusCreated)
		entry := one.Descriptor()
		entry.Platform = &rig.Platform{OS: "linux", Architecture: architecture}
		entries = append(entries, entry)
	}
	image = rig.Index(entries...)
	own = "sha256-" + image.Digest().Encoded()
	if tag == "" {
		tag = own
	}
	rig.Push(t, base, repository, tag, image).Want(t, http.StatusCreated)
	return image, own
}

// wantImage makes sure that an image is there by its digest and by tags.
func wantImage(t *testing.T, base, repository string, image rig.Manifest, tags ...string) {
	t.Helper()
	for _, reference := range append(tags, image.Digest().String()) {
		got := rig.Do(t, http.MethodGet, base+"/v2/"+repository+"/manifests/"+reference, nil, "Accept", image.MediaType)
		if got.Status != http.StatusOK || digest.FromBytes(got.Body) != image.Digest() {
			t.Errorf("%s: status %d: %s", reference, got.Status, got.Body)
		}
	}
}

// X2: images under their own digests are no referrers tags to a pruning.
func TestX2PruneLeavesImages(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		backref := rig.NewBackref(t, registry.URL, quick...)
		image, own := multiArch(t, backref.URL, "ocp/img", "")
		for _, args := range [][]string{{"tags", "prune"}, {"tags", "prune", "--yes"}} {
			if got := backref.Run(t, args...); !strings.Contains(got, own) || !strings.Contains(got, "is no referrers tag") {
				t.Errorf("%v: %s", args, got)
			}
		}
		wantImage(t, registry.URL, "ocp/img", image, own)
		if got := rig.Tags(t, backref.URL, "ocp/img"); !slices.Equal(got, []string{own}) {
			t.Errorf("tags: %v", got)
		}
		wantListed(t, backref, "ocp/img", image.Digest(), 0)
	})
}

// asGitLab resolves a tag sha256-HEX to the manifest sha256:HEX, whether or not
// there is such a tag.
func asGitLab(t *testing.T, registry *rig.Registry) *rig.Relay {
	t.Helper()
	relay := rig.NewRelay(t, registry.URL)
	relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
		path, hex, found := strings.Cut(r.URL.Path, "/manifests/sha256-")
		if !found || len(hex) != 64 || r.Method != http.MethodGet && r.Method != http.MethodHead {
			return false
		}
		got := rig.Do(t, r.Method, registry.URL+path+"/manifests/sha256:"+hex, nil, "Accept", r.Header.Get("Accept"))
		if got.Status != http.StatusOK {
			return false
		}
		for _, name := range []string{"Content-Type", "Docker-Content-Digest"} {
			w.Header().Set(name, got.Header.Get(name))
		}
		_, _ = w.Write(got.Body)
		return true
	})
	return relay
}

// X2: the mirror writes no tag over an image, and says which it leaves alone.
func TestX2MirrorLeavesImages(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		for name, test := range map[string]struct {
			tag    string
			gitlab bool
		}{"own digest": {}, "gitlab": {"v1", true}} {
			t.Run(name, func(t *testing.T) {
				registry := rig.NewRegistry(t, version)
				upstream := registry.URL
				if test.gitlab {
					upstream = asGitLab(t, registry).URL
				}
				image, own := multiArch(t, registry.URL, "app", test.tag)
				backref := rig.NewBackref(t, upstream, append(slices.Clone(quick), "--set", "referrers.fallbackTags=mirror")...)
				signature := rig.Artifact("application/vnd.example.signature", "s", image.Descriptor())
				rig.Push(t, backref.URL, "app", "", signature).Want(t, http.StatusCreated)
				rig.Eventually(t, "the mirror leaves the tag", func() bool {
					return strings.Contains(string(rig.Do(t, http.MethodGet, backref.AdminURL+"/metrics", nil).Body), "backref_mirror_other_tags 1")
				})
				tags := []string{own}
				if test.gitlab {
					tags = []string{test.tag}
				}
				wantImage(t, registry.URL, "app", image, tags...)
				wantListed(t, backref, "app", image.Digest(), 1)
				// The referrer is held all the same.
				hidden := "sha256-" + signature.Digest().Encoded() + ".referrer"
				if got := rig.Tags(t, registry.URL, "app"); !slices.Contains(got, hidden) || len(got) != 2 {
					t.Errorf("tags: %v", got)
				}
				said := func() int { return strings.Count(strings.Join(backref.Log(), "\n"), "the mirror leaves a tag alone") }
				rig.Eventually(t, "it is said", func() bool { return said() > 0 })
				if got := said(); got != 1 {
					t.Errorf("said %d times", got)
				}
				if !test.gitlab {
					return
				}
				for _, seen := range rig.Tags(t, backref.URL, "app") {
					if seen != test.tag {
						t.Errorf("clients see the tag %s", seen)
					}
				}
			})
		}
	})
}

// X2: what mirroring tools go by, the list of tags, has all images.
func TestX2TagListsShowImages(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		image, own := multiArch(t, registry.URL, "ocp/img", "")
		subject := prepare(t, registry.URL, "app")
		rig.Run(t, t.TempDir(), "oras", "attach", "--plain-http", "--distribution-spec", "v1.1-referrers-tag",
			"--artifact-type", "application/vnd.example.x", registry.Host+"/app:v1", "--annotation", "a=b")
		backref := rig.NewBackref(t, registry.URL)
		if got := rig.Tags(t, backref.URL, "ocp/img"); !slices.Equal(got, []string{own}) {
			t.Errorf("tags: %v", got)
		}
		if got := rig.Tags(t, backref.URL, "app"); !slices.Equal(got, []string{"v1"}) {
			t.Errorf("tags with a referrers tag: %v", got)
		}
		wantListed(t, backref, "app", subject.Digest(), 1)
		// The command line goes on without backref too.
		for _, args := range [][]string{
			{"referrers", registry.Host + "/ocp/img@" + image.Digest().String()},
			{"tree", registry.Host + "/ocp/img:" + own},
			{"tags", registry.Host + "/ocp/img"},
			{"copy", "--referrers", registry.Host + "/ocp/img:" + own, registry.Host + "/copy/img:v1"},
		} {
			if got := rig.TryCommandLine(t, t.TempDir(), args...); got.Err != nil {
				t.Errorf("%v: %v: %s", args, got.Err, got.Stderr)
			}
		}
		wantImage(t, registry.URL, "copy/img", image, "v1")
	})
}
