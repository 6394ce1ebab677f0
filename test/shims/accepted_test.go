package shims

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// side is one of two backrefs before the same registry, of which one makes nothing up.
type side struct {
	repository string
	backref    *rig.Backref
	relay      *rig.Relay
}

// asked returns what the registry was asked since the last call, in no order, whichever
// side asks it.
func (s side) asked() []string {
	upload := regexp.MustCompile(`/uploads/.+`)
	seen := s.relay.Seen()
	for i, request := range seen {
		seen[i] = upload.ReplaceAllString(strings.Replace(request, "/"+s.repository+"/", "/NAME/", 1), "/uploads/ID")
	}
	slices.Sort(seen)
	return seen
}

// What the registry takes is kept as it is, and nothing more is asked than without any
// shim, but where only a question tells: before a delete, and at the first HEAD of a tag.
func TestAcceptedManifestsPass(t *testing.T) {
	t.Parallel()
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		newSide := func(repository string, args ...string) side {
			relay := rig.NewRelay(t, registry.URL)
			return side{repository, rig.NewBackref(t, relay.URL, args...), relay}
		}
		with := newSide("with/app")
		without := newSide("without/app")
		without.backref.Restart("--set", "upstream.shims.ranges=false", "--set", "upstream.shims.chunks=false",
			"--set", "upstream.shims.digests=false", "--set", "upstream.shims.envelopes=false")
		for _, step := range acceptedSteps() {
			with.asked()
			without.asked()
			step.do(t, with.backref.URL, with.repository)
			step.do(t, without.backref.URL, without.repository)
			want := append(without.asked(), step.more...)
			slices.Sort(want)
			if got := with.asked(); !slices.Equal(got, want) {
				t.Errorf("%s: the registry is asked\n%s\nand without shims\n%s", step.name, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		if kept := (front{direct: registry.URL}).ownTags(t, with.repository, ".kept"); len(kept) > 0 {
			t.Errorf("kept are %v", kept)
		}
	})
}

// acceptedStep is something that a client does.
type acceptedStep struct {
	name string
	do   func(t *testing.T, base, repository string)
	// more is what the registry is asked in addition.
	more []string
}

func acceptedSteps() []acceptedStep {
	image := rig.Image("app")
	byDigest := rig.Artifact("application/vnd.example.x", "by digest", image.Descriptor())
	byTag := rig.Artifact("application/vnd.example.x", "by tag", image.Descriptor())
	push := func(tag string, m rig.Manifest) func(*testing.T, string, string) {
		return func(t *testing.T, base, repository string) {
			rig.Push(t, base, repository, tag, m).Want(t, http.StatusCreated)
		}
	}
	read := func(method, reference string) func(*testing.T, string, string) {
		return func(t *testing.T, base, repository string) {
			rig.Do(t, method, base+"/v2/"+repository+"/manifests/"+reference, nil, "Accept", rig.ImageManifest, "Accept", rig.DockerManifest).Want(t, http.StatusOK)
		}
	}
	named := byDigest.Digest()
	return []acceptedStep{
		{"push a blob", func(t *testing.T, base, repository string) { rig.PushBlob(t, base, repository, rig.Empty) }, nil},
		{"pull a blob", func(t *testing.T, base, repository string) {
			rig.Do(t, http.MethodGet, base+"/v2/"+repository+"/blobs/"+digest.FromString(rig.Empty).String(), nil).Want(t, http.StatusOK)
		}, nil},
		{"push an image", push("v1", image), nil},
		{"push a referrer by digest", push("", byDigest), nil},
		{"push a referrer by tag", push("x", byTag), nil},
		{"GET by digest", read(http.MethodGet, named.String()), nil},
		{"HEAD by digest", read(http.MethodHead, named.String()), nil},
		{"GET by tag", read(http.MethodGet, "x"), nil},
		{"HEAD by a tag that was pulled", read(http.MethodHead, "x"), nil},
		{"HEAD by a tag", read(http.MethodHead, "v1"), []string{"GET /v2/NAME/manifests/v1"}},
		{"HEAD by the tag again", read(http.MethodHead, "v1"), nil},
		{"list", func(t *testing.T, base, repository string) {
			if n := len(rig.Listing(t, base, repository, image.Digest())); n != 2 {
				t.Errorf("%d are listed", n)
			}
		}, nil},
		{"list tags", func(t *testing.T, base, repository string) { rig.Tags(t, base, repository) }, nil},
		{"delete", func(t *testing.T, base, repository string) {
			rig.Do(t, http.MethodDelete, base+"/v2/"+repository+"/manifests/"+named.String(), nil).Want(t, http.StatusAccepted)
		}, []string{"GET /v2/NAME/manifests/" + keptTag(named), "GET /v2/NAME/manifests/" + named.String()}},
	}
}
