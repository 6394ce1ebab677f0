package probe_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
	"github.com/backref/backref/upstream/probe"
)

const distribution2 = `
referrers | no | 404
catalog | yes | 200
tags.n | no | 200: 8 tags
tags.link | unknown | no list is cut: 8 tags came where one was asked for
tags.last | no | 200: that tag is listed
tags.sorted | no | 200: 8 tags in no order
blobs.ranges | yes | 206: one byte
blobs.ranges-416 | no | 416: the answer breaks off
tokens.lifetime | no | no token is used
manifests.index | yes | 201
manifests.artifact-type | yes | 201
manifests.empty-config | yes | 201
manifests.absent-subject | yes | 201
manifests.sha512 | no | 400 DIGEST_INVALID
manifests.if-match | no | 201
manifests.if-none-match | no | 201
blobs.sha512 | yes | 200: Docker-Content-Digest names sha256
blobs.mount | yes | 201
uploads.order-416 | no | 202
deletes.by-tag | no | 400 DIGEST_INVALID
deletes.by-digest | yes | 202: its tag goes with it
deletes.untagged | yes | 202`

const distribution3 = `
referrers | no | 404
catalog | yes | 200
tags.n | yes | 200: one tag
tags.link | yes | 200: a Link that leads on
tags.last | yes | 200: that tag is not listed
tags.sorted | yes | 200: 8 tags in the order of their bytes
blobs.ranges | yes | 206: one byte
blobs.ranges-416 | yes | 416
tokens.lifetime | no | no token is used
manifests.index | yes | 201
manifests.artifact-type | yes | 201
manifests.empty-config | yes | 201
manifests.absent-subject | yes | 201
manifests.sha512 | no | 400 DIGEST_INVALID
manifests.if-match | no | 201
manifests.if-none-match | no | 201
blobs.sha512 | yes | 200: Docker-Content-Digest names sha256
blobs.mount | yes | 201
uploads.order-416 | yes | 416 RANGE_INVALID
deletes.by-tag | yes | 202: the manifest stays
deletes.by-digest | yes | 202: its tag goes with it
deletes.untagged | yes | 202`

const olareg = `
referrers | yes | 200: an image index of 1
catalog | no | 404
tags.n | yes | 200: one tag
tags.link | yes | 200: a Link that leads on
tags.last | yes | 200: that tag is not listed
tags.sorted | yes | 200: 8 tags in the order of their bytes
blobs.ranges | yes | 206: one byte
blobs.ranges-416 | yes | 416
tokens.lifetime | no | no token is used
manifests.index | yes | 201
manifests.artifact-type | yes | 201
manifests.empty-config | yes | 201
manifests.absent-subject | yes | 201
manifests.sha512 | yes | 200
manifests.if-match | no | 201
manifests.if-none-match | no | 201
blobs.sha512 | yes | 200
blobs.mount | yes | 201
uploads.order-416 | yes | 416 SIZE_INVALID
deletes.by-tag | yes | 202: the manifest stays
deletes.by-digest | yes | 202: its tag goes with it
deletes.untagged | yes | 202`

const crane = `
referrers | no | 404 METHOD_UNKNOWN
catalog | yes | 200
tags.n | yes | 200: one tag
tags.link | no | 200: no Link
tags.last | yes | 200: that tag is not listed
tags.sorted | yes | 200: 8 tags in the order of their bytes
blobs.ranges | yes | 206: one byte
blobs.ranges-416 | yes | 416 BLOB_UNKNOWN
tokens.lifetime | no | no token is used
manifests.index | yes | 201
manifests.artifact-type | yes | 201
manifests.empty-config | yes | 201
manifests.absent-subject | yes | 201
manifests.sha512 | yes | 200: Docker-Content-Digest names sha256
manifests.if-match | no | 201
manifests.if-none-match | no | 201
blobs.sha512 | yes | 200
blobs.mount | unknown | the registry has blobs in common for all repositories
uploads.order-416 | yes | 416 BLOB_UPLOAD_UNKNOWN
deletes.by-tag | yes | 202: the manifest stays
deletes.by-digest | yes | 202: its tag stays
deletes.untagged | yes | 202`

// What is found by writing is what these registries do, byte for byte, and where they
// delete nothing is left.
func TestWriting(t *testing.T) {
	for name, c := range map[string]struct {
		start func(t *testing.T) string
		want  string
		left  []string
	}{
		string(rig.Distribution2): {func(t *testing.T) string { return rig.NewRegistry(t, rig.Distribution2).URL }, distribution2, nil},
		string(rig.Distribution3): {func(t *testing.T) string { return rig.NewRegistry(t, rig.Distribution3).URL }, distribution3, nil},
		"olareg":                  {func(t *testing.T) string { return rig.NewOlareg(t, "--api-blob-delete").URL }, olareg, nil},
		// An upload of it can't be ended.
		"crane": {func(t *testing.T) string { return rig.NewCraneRegistry(t).URL }, crane, []string{"1 uploads in team/probe, which the registry drops by itself"}},
	} {
		t.Run(name, func(t *testing.T) {
			registry := newRelay(t, c.start(t))
			report := ask(t, registry.URL, probe.Options{Write: "team/probe", MountFrom: "team/other"})
			wantFindings(t, report, c.want)
			if !slices.Equal(report.Left, c.left) || report.Repository != "team/probe" || report.Registry != registry.URL {
				t.Errorf("%+v", report)
			}
			wantNothingLeft(t, registry)
		})
	}
}

// wantNothingLeft looks for all that was written since the relay was last asked.
func wantNothingLeft(t *testing.T, registry *relay) {
	t.Helper()
	seen := registry.requests()
	for _, line := range seen {
		method, path, _ := strings.Cut(line, " ")
		if method != http.MethodPut || !strings.Contains(path, "/manifests/") {
			if method == http.MethodDelete && strings.Contains(path, "/blobs/sha") {
				want404(t, registry.URL+path)
			}
			continue
		}
		want404(t, registry.URL+path)
	}
	for _, repository := range []string{"team/probe", "team/other"} {
		if reply := rig.Do(t, http.MethodGet, registry.URL+"/v2/"+repository+"/tags/list", nil); strings.Contains(string(reply.Body), "n0nce") {
			t.Errorf("left: %s", reply.Body)
		}
	}
}

func want404(t *testing.T, url string) {
	t.Helper()
	// Distribution calls a digest by sha512 of a manifest an error.
	if reply := rig.Do(t, http.MethodHead, url, nil); reply.Status != http.StatusNotFound && reply.Status != http.StatusBadRequest {
		t.Errorf("%s: %d", url, reply.Status)
	}
}

// A second run in the same repository finds and leaves the same, and the blob that all
// artifacts share stays where it was before or others may use it.
func TestWritingToWhatIsInUse(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		rig.PushBlob(t, registry.URL, "app", "{}")
		image := rig.Image("in use")
		rig.Push(t, registry.URL, "app", "v1", image).Want(t, http.StatusCreated)
		artifact := rig.Artifact("application/vnd.example", "a", image.Descriptor())
		rig.Push(t, registry.URL, "app", "", artifact).Want(t, http.StatusCreated)
		report := ask(t, registry.URL, probe.Options{Write: "app"})
		if len(report.Left) != 0 {
			t.Errorf("left %q", report.Left)
		}
		empty := rig.BlobDescriptor("").Digest.String()
		for _, at := range []string{"/manifests/v1", "/manifests/" + artifact.Digest().String(), "/blobs/" + empty} {
			rig.Do(t, http.MethodHead, registry.URL+"/v2/app"+at, nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
		}
		// A repository with a tag, and without that blob.
		rig.PushBlob(t, registry.URL, "lib", "config")
		lib := rig.Manifest{
			SchemaVersion: 2, MediaType: rig.ImageManifest, Layers: &[]rig.Descriptor{},
			Config: &rig.Descriptor{MediaType: rig.ImageConfig, Digest: rig.PushBlob(t, registry.URL, "lib", "config"), Size: int64(len("config"))},
		}
		rig.Push(t, registry.URL, "lib", "v1", lib).Want(t, http.StatusCreated)
		report = ask(t, registry.URL, probe.Options{Write: "lib"})
		if want := []string{"blob " + empty + " of lib (the empty config, which others may use by now)"}; !slices.Equal(report.Left, want) {
			t.Errorf("left %q, want %q", report.Left, want)
		}
		if tags := rig.Tags(t, registry.URL, "lib"); !slices.Equal(tags, []string{"v1"}) {
			t.Errorf("tags %q", tags)
		}
	})
}

// What was written is removed also where the run is stopped in the middle.
func TestStoppedWriting(t *testing.T) {
	registry := newRelay(t, rig.NewRegistry(t, rig.Distribution3).URL)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	front := rig.NewRelay(t, registry.URL)
	front.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/referrers/") {
			stop()
			<-ended
		}
		return false
	})
	report := askUntil(ctx, t, front.URL, probe.Options{Write: "team/probe"})
	close(ended)
	if len(report.Left) != 0 || !slices.Contains(report.Of(probe.Unknown), probe.CapabilityIndex) {
		t.Errorf("%+v", report)
	}
	if tags := rig.Do(t, http.MethodGet, registry.URL+"/v2/team/probe/tags/list", nil); strings.Contains(string(tags.Body), "n0nce") {
		t.Errorf("left %s", tags.Body)
	}
	for _, line := range registry.requests() {
		if method, path, _ := strings.Cut(line, " "); method == http.MethodPut && strings.Contains(path, "/manifests/sha256") {
			want404(t, registry.URL+path)
		}
	}
}

// Where nothing can be deleted all that was written is said.
func TestWritingWhereNothingIsDeleted(t *testing.T) {
	registry := rig.NewKeepingRegistry(t, rig.Distribution3)
	report := ask(t, registry.URL, probe.Options{Write: "app"})
	wantFindings(t, report, strings.NewReplacer(
		"by-tag | yes | 202: the manifest stays", "by-tag | no | 405 UNSUPPORTED",
		"by-digest | yes | 202: its tag goes with it", "by-digest | no | 405 UNSUPPORTED",
		"untagged | yes | 202", "untagged | no | 405 UNSUPPORTED",
		"mount | yes | 201", "mount | unknown | a second repository is needed: --mount-from REPO, which is written to as well",
	).Replace(distribution3))
	for _, tag := range rig.Tags(t, registry.URL, "app") {
		if !slices.Contains(report.Left, "manifest "+tag+" of app") {
			t.Errorf("%s is not told: %q", tag, report.Left)
		}
	}
	blobs := slices.DeleteFunc(slices.Clone(report.Left), func(left string) bool { return !strings.HasPrefix(left, "blob ") })
	if len(blobs) != 5 {
		t.Errorf("config, layer, empty config and one by two digests are left, not %q", blobs)
	}
}

// Without a repository to write to nothing but GET and HEAD is sent, and what reading
// shows is the same that writing does.
func TestReading(t *testing.T) {
	const onlyWriting = "only a write shows it: backref upstream probe --write REPO"
	reading := func(whole string) string {
		lines := strings.Split(strings.TrimSpace(whole), "\n")
		for i, line := range lines[9:] {
			name, _, _ := strings.Cut(line, " |")
			lines[9+i] = name + " | unknown | " + onlyWriting
		}
		return strings.Join(lines, "\n")
	}
	for name, c := range map[string]struct {
		start      func(t *testing.T) string
		repository string
		want       string
	}{
		string(rig.Distribution2): {func(t *testing.T) string { return rig.NewRegistry(t, rig.Distribution2).URL }, "", reading(distribution2)},
		string(rig.Distribution3): {func(t *testing.T) string { return rig.NewRegistry(t, rig.Distribution3).URL }, "", reading(distribution3)},
		"olareg":                  {func(t *testing.T) string { return rig.NewOlareg(t).URL }, "team/app", strings.Replace(reading(olareg), "index of 1", "index of 0", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			registry := newRelay(t, c.start(t))
			rig.PushBlob(t, registry.URL, "team/app", "{}")
			for _, tag := range []string{"m", "C", "x", "a", "T", "f", "Q", "h"} {
				rig.Push(t, registry.URL, "team/app", tag, rig.Image("app")).Want(t, http.StatusCreated)
			}
			registry.requests()
			report := ask(t, registry.URL, probe.Options{Repository: c.repository})
			wantFindings(t, report, c.want)
			if report.Repository != "team/app" || report.Left != nil {
				t.Errorf("%+v", report)
			}
			for _, line := range registry.requests() {
				if !strings.HasPrefix(line, "GET ") && !strings.HasPrefix(line, "HEAD ") {
					t.Errorf("sent %s", line)
				}
			}
			if t.Failed() {
				return
			}
			if report := ask(t, registry.URL, probe.Options{Repository: "team/none"}); len(report.Of(probe.Yes)) > 1 {
				t.Errorf("of a repository that isn't there: %q", report.Of(probe.Yes))
			}
		})
	}
}

// The life of a token is read from it, for a service that signs in and for anybody.
func TestTokenLife(t *testing.T) {
	tokens := rig.NewTokenServer(t)
	tokens.SetLifetime(7 * time.Minute)
	tokens.SetUser("backref", rig.User{Password: "s3cret", Grants: map[string][]string{"*": {"pull"}}})
	registry := rig.NewRegistry(t, rig.Distribution3, tokens.RegistryConfig(tokens.Realm))
	at, err := url.Parse(registry.URL)
	if err != nil {
		t.Fatal(err)
	}
	at.User = url.UserPassword("backref", "s3cret")
	for name, c := range map[string]struct{ at, repository, request string }{
		"signed in": {at.String(), "", "GET /v2/"},
		"anybody":   {registry.URL, "app", "GET /v2/app/tags/list"},
	} {
		report := ask(t, c.at, probe.Options{Repository: c.repository})
		i := slices.IndexFunc(report.Findings, func(f probe.Finding) bool { return f.Capability == probe.CapabilityTokenLife })
		want := probe.Finding{Capability: probe.CapabilityTokenLife, Verdict: probe.Yes, Request: c.request, Answer: "a token that holds for 7m0s"}
		if got := report.Findings[i]; got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}
