package transfer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// tagLine is a line of a copy of tags.
type tagLine struct {
	Repository struct{ Tags int }
	Tag        struct {
		Tag, Outcome, Error  string
		Digest               digest.Digest
		Manifests, Referrers int
	}
	Result, Total tagsSum
}

// tagsSum is what a copy of tags came to.
type tagsSum struct {
	Source, Error, Target string
	DryRun                bool
	Tags                  map[string]int
	Manifests, Blobs      map[string]int
	Bytes                 int64
	Referrers             int
	ReferrersTags         int
	Repositories, Failed  int
}

// tagsCopied is what a copy of tags printed.
type tagsCopied struct {
	tags map[string]string
	tagsSum
}

// copyTags runs a copy of tags, which has to succeed.
func (b bench) copyTags(t *testing.T, args ...string) tagsCopied {
	t.Helper()
	return readTags(t, rig.RunCommandLine(t, b.dir, append([]string{"copy"}, args...)...))
}

func readTags(t *testing.T, output string) tagsCopied {
	t.Helper()
	c := tagsCopied{tags: map[string]string{}}
	for _, text := range strings.Split(strings.TrimSpace(output), "\n") {
		var line tagLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if line.Tag.Outcome != "" {
			c.tags[line.Tag.Tag] = line.Tag.Outcome
		}
		if line.Result.Tags != nil {
			c.tagsSum = line.Result
		}
		if line.Total.Tags != nil {
			c.tagsSum = line.Total
		}
	}
	return c
}

// pushTags pushes a repository: two graphs under v1 and v2, one of them under
// another name too, and a simple image with cosign's signature of old. It returns
// the digests that may have referrers.
func pushTags(t *testing.T, base, repository string) []digest.Digest {
	t.Helper()
	var subjects []digest.Digest
	for _, version := range []string{"v2", "v1"} {
		g := pushGraph(t, base, repository, repository+version)
		rig.Push(t, base, repository, version, g.root).Want(t, http.StatusCreated)
		for sum := range g.manifests {
			subjects = append(subjects, sum)
		}
		if version == "v2" {
			rig.Push(t, base, repository, "latest", g.root).Want(t, http.StatusCreated)
		}
	}
	plain := rig.Image(repository + "plain")
	rig.Push(t, base, repository, "plain", plain).Want(t, http.StatusCreated)
	rig.Push(t, base, repository, "sha256-"+plain.Digest().Encoded()+".sig", rig.Image("signature")).Want(t, http.StatusCreated)
	return append(subjects, plain.Digest())
}

// listed returns what a backref lists for subjects.
func listed(t *testing.T, base, repository string, subjects []digest.Digest) map[digest.Digest][]rig.Descriptor {
	t.Helper()
	listings := map[digest.Digest][]rig.Descriptor{}
	for _, subject := range subjects {
		if list := rig.Listing(t, base, repository, subject); len(list) > 0 {
			listings[subject] = list
		}
	}
	return listings
}

// tagLists returns what the referrers tags of a registry hold for subjects.
func tagLists(t *testing.T, base, repository string, subjects []digest.Digest) map[digest.Digest][]rig.Descriptor {
	t.Helper()
	lists := map[digest.Digest][]rig.Descriptor{}
	for _, subject := range subjects {
		if list := taggedReferrers(t, base, repository, subject); len(list) > 0 {
			lists[subject] = list
		}
	}
	return lists
}

// wantTags compares what tags stand for.
func wantTags(t *testing.T, from, fromRepository, to, toRepository string, tags ...string) {
	t.Helper()
	for _, tag := range tags {
		var sums []string
		for _, manifests := range []string{from + "/v2/" + fromRepository, to + "/v2/" + toRepository} {
			reply := rig.Do(t, http.MethodGet, manifests+"/manifests/"+tag, nil, "Accept", rig.ImageManifest, "Accept", rig.ImageIndex).Want(t, http.StatusOK)
			sums = append(sums, digest.FromBytes(reply.Body).String())
		}
		if sums[0] != sums[1] {
			t.Errorf("%s: %s there, %s here", tag, sums[0], sums[1])
		}
	}
}

// X5: a repository moves with all tags and all referrers, by way of a registry
// without the API and a layout, and arrives as it left.
func TestX5AllTagsThereAndBack(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		b := newBench(t, version)
		subjects := pushTags(t, b.backref.URL, "app")
		want := listed(t, b.backref.URL, "app", subjects)
		tags := rig.Tags(t, b.backref.URL, "app")

		dry := b.copyTags(t, "--all-tags", "--dry-run", b.backref.Host+"/app", b.plain.Host+"/moved")
		rig.Do(t, http.MethodGet, b.plain.URL+"/v2/moved/tags/list", nil).Want(t, http.StatusNotFound)
		there := b.copyTags(t, "--all-tags", b.backref.Host+"/app", b.plain.Host+"/moved")
		wantEqual(t, "tags", there.Tags, map[string]int{"copied": len(tags)})
		wantEqual(t, "referrers", there.Referrers, 10)
		for what, pair := range map[string][2]any{
			"tags": {dry.tags, there.tags}, "manifests": {dry.Manifests, there.Manifests}, "blobs": {dry.Blobs, there.Blobs},
			"bytes": {dry.Bytes, there.Bytes}, "referrers": {dry.Referrers, there.Referrers},
		} {
			wantEqual(t, what+" of the dry run", pair[0], pair[1])
		}
		wantTags(t, b.backref.URL, "app", b.plain.URL, "moved", tags...)
		wantEqual(t, "referrers tags", tagLists(t, b.plain.URL, "moved", subjects), want)

		// From a registry with referrers tags, which are no content of their own.
		layout := b.copyTags(t, "--all-tags", b.plain.Host+"/moved", "oci:layout")
		wantEqual(t, "tags of the layout", layout.Tags, map[string]int{"copied": len(tags), "carried": len(want)})
		b.copyTags(t, "--all-tags", "oci:layout", "oci-archive:app.tar")
		back := rig.NewBackref(t, rig.NewRegistry(t, version).URL)
		result := b.copyTags(t, "--all-tags", "oci-archive:app.tar", back.Host+"/app")
		wantEqual(t, "copied back", result.Tags["copied"], len(tags))
		wantEqual(t, "tags", sorted(rig.Tags(t, back.URL, "app")), sorted(tags))
		wantTags(t, b.backref.URL, "app", back.URL, "app", tags...)
		wantEqual(t, "listings", listed(t, back.URL, "app", subjects), want)
	})
}

func sorted(texts []string) []string {
	return slices.Sorted(slices.Values(texts))
}

// X5: the second time only what is new is copied, a referrer of an old tag too.
func TestX5MirrorAgain(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	subjects := pushTags(t, b.backref.URL, "app")
	relay := rig.NewRelay(t, b.plain.URL)
	target := strings.TrimPrefix(relay.URL, "http://") + "/app"
	first := b.copyTags(t, "--all-tags", b.backref.Host+"/app", target)
	wantOnce(t, relay.Seen(), first)
	again := b.copyTags(t, "--all-tags", b.backref.Host+"/app", target)
	wantEqual(t, "again", again.Tags, map[string]int{"present": 5})
	for _, request := range relay.Seen() {
		if strings.Contains(request, "/blobs/") || !strings.HasPrefix(request, "GET ") && !strings.HasPrefix(request, "HEAD ") {
			t.Errorf("again: %s", request)
		}
	}
	graph := pushGraph(t, b.backref.URL, "app", "appv1")
	late := rig.Artifact(sbomType, "late", graph.sbom.Descriptor())
	rig.Push(t, b.backref.URL, "app", "", late).Want(t, http.StatusCreated)
	third := b.copyTags(t, "--all-tags", b.backref.Host+"/app", target)
	wantEqual(t, "with a new referrer", third.tags, map[string]string{
		"v1": "copied", "v2": "present", "latest": "present", "plain": "present", sigTag("appplain"): "present"})
	wantEqual(t, "manifests", third.Manifests["copied"], 1)
	wantEqual(t, "referrers tags", tagLists(t, b.plain.URL, "app", subjects), listed(t, b.backref.URL, "app", subjects))
}

// wantOnce makes sure that what images share was written once: blobs, and the
// referrers tags of their subjects.
func wantOnce(t *testing.T, requests []string, copied tagsCopied) {
	t.Helper()
	uploads, written := 0, map[string]int{}
	for _, request := range requests {
		switch {
		case strings.HasPrefix(request, "POST "):
			uploads++
		case strings.HasPrefix(request, "PUT ") && strings.Contains(request, "/manifests/"):
			written[request]++
		}
	}
	wantEqual(t, "uploads", uploads, copied.Blobs["copied"])
	for request, n := range written {
		if n > 1 {
			t.Errorf("%s: %d times", request, n)
		}
	}
	wantEqual(t, "blobs there already", copied.Blobs["present"], 0)
}

// X5: a tag that moves when it is listed is copied as it is read, and one that goes
// is no failure.
func TestX5TagsThatMove(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	pushTags(t, b.backref.URL, "app")
	moved := rig.Image("moved")
	relay := rig.NewRelay(t, b.backref.URL)
	relay.After(func(r *http.Request, _ int) {
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			rig.Push(t, b.backref.URL, "app", "v1", moved)
		}
	})
	relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
		gone := strings.HasSuffix(r.URL.Path, "/manifests/plain")
		if gone {
			w.WriteHeader(http.StatusNotFound)
		}
		return gone
	})
	result := b.copyTags(t, "--tags", "v*", "--tags", "plain", strings.TrimPrefix(relay.URL, "http://")+"/app", b.plain.Host+"/app")
	wantEqual(t, "tags", result.tags, map[string]string{"v1": "copied", "v2": "copied", "plain": "gone"})
	reply := rig.Do(t, http.MethodGet, b.plain.URL+"/v2/app/manifests/v1", nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
	wantEqual(t, "v1", digest.FromBytes(reply.Body), moved.Digest())
}

func sigTag(name string) string {
	return "sha256-" + rig.Image(name).Digest().Encoded() + ".sig"
}

// X5: what tags a registry has for the sake of referrers is no content, but what
// they lead to is, with or without a subject that has a tag.
func TestX5TagsOfReferrers(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	source := rig.NewBackref(t, registry.URL, "--set", "tags.hide=none")
	b := newBench(t, rig.Distribution2)
	subjects := pushTags(t, source.URL, "app")
	// A subject whose tag has moved on, an image that is tagged with its own digest,
	// and a hidden tag that is none.
	old := rig.Image("old")
	rig.Push(t, source.URL, "app", "", rig.Artifact(sbomType, "of the old", old.Descriptor())).Want(t, http.StatusCreated)
	own := rig.Image("own")
	ownTag := "sha256-" + own.Digest().Encoded()
	for _, tag := range []string{ownTag, ownTag + ".referrer"} {
		rig.Push(t, source.URL, "app", tag, own).Want(t, http.StatusCreated)
	}
	subjects = append(subjects, old.Digest())
	want := listed(t, source.URL, "app", subjects)

	// Past its backref: the hidden tags are listed, and there is nothing else that
	// would tell what refers to what.
	result := b.copyTags(t, "--all-tags", source.Host+"/app", b.plain.Host+"/app")
	wantEqual(t, "tags", result.Tags, map[string]int{"copied": 7, "carried": 11})
	wantEqual(t, "referrers tags", tagLists(t, b.plain.URL, "app", subjects), want)
	wantTags(t, source.URL, "app", b.plain.URL, "app", ownTag, ownTag+".referrer", "v1", "plain")
	for _, tag := range rig.Tags(t, b.plain.URL, "app") {
		if strings.HasSuffix(tag, ".referrer") && tag != ownTag+".referrer" {
			t.Errorf("%s was copied as a tag", tag)
		}
	}
	bare := b.copyTags(t, "--all-tags", "--referrers=none", source.Host+"/app", b.plain.Host+"/bare")
	wantEqual(t, "without referrers", bare.Tags, map[string]int{"copied": 7, "left": 11})
	if lists := tagLists(t, b.plain.URL, "bare", subjects); len(lists) > 0 {
		t.Errorf("without referrers: %v", lists)
	}
}

// X5: tags are chosen by patterns, and one that fails stops no other.
func TestX5ChosenTagsAndFailures(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	subjects := pushTags(t, b.backref.URL, "app")
	chosen := b.copyTags(t, "--tags", "v*", "--tags", "plain", "--exclude-tags", "?2", b.backref.Host+"/app", "oci:chosen")
	wantEqual(t, "chosen", chosen.tags, map[string]string{"v1": "copied", "plain": "copied"})
	c := rig.TryCommandLine(t, b.dir, "copy", "--tags", "w*", b.backref.Host+"/app", "oci:chosen")
	if c.Err == nil || !strings.Contains(c.Stderr, "no tag that is chosen") {
		t.Errorf("none chosen: %s", c.Stderr)
	}

	// One layer is lost at the source: its tags fail, the rest arrives, and when
	// it is there again the same command brings what is missing.
	layer := digest.FromString(strings.Repeat("appv2amd64", 1000))
	relay := rig.NewRelay(t, b.backref.URL)
	relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
		lost := strings.HasSuffix(r.URL.Path, "/blobs/"+layer.String())
		if lost {
			w.WriteHeader(http.StatusNotFound)
		}
		return lost
	})
	args := []string{"copy", "--all-tags", strings.TrimPrefix(relay.URL, "http://") + "/app", b.plain.Host + "/app"}
	c = rig.TryCommandLine(t, b.dir, args...)
	if c.Err == nil || !strings.Contains(c.Stderr, "tags that failed: 2; run it again") {
		t.Errorf("with a lost layer: %v: %s", c.Err, c.Stderr)
	}
	wantEqual(t, "with a lost layer", readTags(t, c.Stdout).tags, map[string]string{
		"v1": "copied", "v2": "failed", "latest": "failed", "plain": "copied", sigTag("appplain"): "copied"})
	if tags := rig.Tags(t, b.plain.URL, "app"); slices.Contains(tags, "v2") || slices.Contains(tags, "latest") {
		t.Errorf("tags: %v", tags)
	}
	relay.Before(nil)
	rest := b.copyTags(t, args[1:]...)
	wantEqual(t, "the rest", rest.Tags, map[string]int{"copied": 2, "present": 3})
	wantEqual(t, "referrers tags", tagLists(t, b.plain.URL, "app", subjects), listed(t, b.backref.URL, "app", subjects))
}

// X5: a tag that is needed for referrers is not written over by one of the source.
func TestX5ListsOfTheTargetStay(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	rig.PushBlob(t, b.backref.URL, "app", rig.Empty)
	own := rig.Image("own")
	tag := "sha256-" + own.Digest().Encoded()
	rig.Push(t, b.backref.URL, "app", tag, own).Want(t, http.StatusCreated)
	rig.Push(t, b.backref.URL, "app", "", rig.Artifact(sbomType, "sbom", own.Descriptor())).Want(t, http.StatusCreated)
	c := rig.TryCommandLine(t, b.dir, "copy", "--all-tags", b.backref.Host+"/app", b.plain.Host+"/app")
	if c.Err == nil || !strings.Contains(c.Stdout, "is not written over") {
		t.Errorf("%v: %s", c.Err, c.Stdout)
	}
	wantEqual(t, "referrers", len(taggedReferrers(t, b.plain.URL, "app", own.Digest())), 1)
}

// X5: many repositories by a file of names.
func TestX5FromFile(t *testing.T) {
	b := newBench(t, rig.Distribution2)
	for _, repository := range []string{"team/one", "team/two"} {
		rig.PushBlob(t, b.backref.URL, repository, rig.Empty)
		for i := range 2 {
			image := rig.Image(fmt.Sprint(repository, i))
			rig.Push(t, b.backref.URL, repository, fmt.Sprint("v", i), image).Want(t, http.StatusCreated)
			rig.Push(t, b.backref.URL, repository, "", rig.Artifact(sbomType, "sbom", image.Descriptor())).Want(t, http.StatusCreated)
		}
	}
	b.write(t, "names", "# all of one\nteam/one\n\nteam/two:v1 other/two:v7  # one of two\nteam/none\n")
	c := rig.TryCommandLine(t, b.dir, "copy", "--all-tags", "--from-file", "names", b.backref.Host, b.plain.Host+"/mirror")
	if c.Err == nil || !strings.Contains(c.Stderr, "team/none") {
		t.Errorf("%v: %s", c.Err, c.Stderr)
	}
	sum := readTags(t, c.Stdout)
	wantEqual(t, "lines", sum.Repositories, 3)
	wantEqual(t, "failed", sum.Failed, 1)
	wantEqual(t, "referrers", sum.Referrers, 3)
	if tags := rig.Tags(t, b.plain.URL, "mirror/other/two"); !slices.Contains(tags, "v7") || slices.Contains(tags, "v0") {
		t.Errorf("tags: %v", tags)
	}
	wantTags(t, b.backref.URL, "team/one", b.plain.URL, "mirror/team/one", "v0", "v1")
	wantEqual(t, "of one by digest", len(taggedReferrers(t, b.plain.URL, "mirror/team/one", rig.Image("team/one0").Digest())), 1)
	for text, want := range map[string]string{
		"a b c\n":                 "line 1: need SRC and DST, or SRC alone",
		"\n#\nteam/one Other/two": "line 3: ",
		"#":                       "names nothing to copy",
	} {
		b.write(t, "names", text)
		c := rig.TryCommandLine(t, b.dir, "copy", "--all-tags", "--from-file", "names", b.backref.Host, b.plain.Host)
		if c.Err == nil || !strings.Contains(c.Stderr, want) || c.Stdout != "" {
			t.Errorf("%q: %s%s", text, c.Stdout, c.Stderr)
		}
	}
}

func (b bench) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
