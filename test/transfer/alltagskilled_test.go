package transfer

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// pushMany pushes images with a layer of their own, one that they share, and a
// referrer each.
func pushMany(t *testing.T, base, repository string, images int) []digest.Digest {
	t.Helper()
	rig.PushBlob(t, base, repository, rig.Empty)
	// Compressed, since skopeo would do that else, and change the images.
	layer := func(text string) rig.Descriptor {
		var packed strings.Builder
		writer := gzip.NewWriter(&packed)
		_, err := io.WriteString(writer, text)
		if err = errors.Join(err, writer.Close()); err != nil {
			t.Fatal(err)
		}
		content := packed.String()
		return rig.Descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar+gzip", Digest: rig.PushBlob(t, base, repository, content), Size: int64(len(content))}
	}
	common := layer(strings.Repeat("shared", 10000))
	var subjects []digest.Digest
	for i := range images {
		image := rig.Image(fmt.Sprint("image ", i))
		image.Layers = &[]rig.Descriptor{common, layer(strings.Repeat(fmt.Sprint(i), 10000))}
		rig.Push(t, base, repository, fmt.Sprintf("v%02d", i), image).Want(t, http.StatusCreated)
		rig.Push(t, base, repository, "", rig.Artifact(sbomType, "sbom", image.Descriptor())).Want(t, http.StatusCreated)
		subjects = append(subjects, image.Digest())
	}
	return subjects
}

// stopWhile starts a copy of all tags by way of a relay, sends it a signal at the
// nth push of a manifest, and returns what it printed.
func (b bench) stopWhile(t *testing.T, n int32, signal syscall.Signal, target string) rig.Command {
	t.Helper()
	relay := rig.NewRelay(t, target)
	reached, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	var pushed atomic.Int32
	relay.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		switch i := pushed.Add(1); {
		case i == n:
			close(reached)
			<-release
		case i > n:
			<-release
		}
		return false
	})
	cmd := rig.CommandLine(t, b.dir, "copy", "--all-tags", "--concurrency", "2", b.backref.Host+"/app", strings.TrimPrefix(relay.URL, "http://")+"/app")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-reached:
	case <-time.After(time.Minute):
		t.Error("the copy never got there")
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Error(err)
	}
	err := cmd.Wait()
	return rig.Command{Stdout: stdout.String(), Stderr: stderr.String(), Err: err}
}

// X5: a copy of a repository that was killed in the midst goes on, and no tag is
// ever there whose referrers are not.
func TestX5KilledMirrorGoesOn(t *testing.T) {
	const images = 8
	b := newBench(t, rig.Distribution2)
	subjects := pushMany(t, b.backref.URL, "app", images)
	want := listed(t, b.backref.URL, "app", subjects)
	// Each image takes four pushes: itself, its referrer, the referrers tag, the tag.
	for _, at := range []int32{1, 14, 6} {
		b.stopWhile(t, at, syscall.SIGKILL, b.plain.URL)
		reply := rig.Do(t, http.MethodGet, b.plain.URL+"/v2/app/tags/list", nil)
		for i, subject := range subjects {
			if strings.Contains(string(reply.Body), fmt.Sprintf(`"v%02d"`, i)) && len(taggedReferrers(t, b.plain.URL, "app", subject)) != 1 {
				t.Errorf("killed at %d: v%02d is there without its referrer", at, i)
			}
		}
	}
	result := b.copyTags(t, "--all-tags", b.backref.Host+"/app", b.plain.Host+"/app")
	wantEqual(t, "tags", result.Tags["copied"]+result.Tags["present"], images)
	if result.Blobs["copied"] >= images {
		t.Errorf("after three kills: %v", result.Blobs)
	}
	wantEqual(t, "referrers tags", tagLists(t, b.plain.URL, "app", subjects), want)
}

// X5: a signal ends the copy with an account of what is done.
func TestX5InterruptedMirror(t *testing.T) {
	const images = 6
	b := newBench(t, rig.Distribution2)
	subjects := pushMany(t, b.backref.URL, "app", images)
	target := rig.NewBackref(t, b.plain.URL)
	c := b.stopWhile(t, 9, syscall.SIGINT, target.URL)
	if c.Err == nil || !strings.Contains(c.Stderr, "run the same command again to go on") {
		t.Errorf("%v: %s", c.Err, c.Stderr)
	}
	stopped := readTags(t, c.Stdout)
	if stopped.Tags["failed"] != 0 || stopped.Tags["pending"] == 0 || stopped.Tags["copied"]+stopped.Tags["pending"] != images {
		t.Errorf("tags: %v", stopped.Tags)
	}
	rest := b.copyTags(t, "--all-tags", b.backref.Host+"/app", target.Host+"/app")
	wantEqual(t, "tags", rest.Tags["copied"]+rest.Tags["present"], images)
	wantEqual(t, "listings", listed(t, target.URL, "app", subjects), listed(t, b.backref.URL, "app", subjects))
}

// X5: what mirrors by the list of tags takes no referrers along, and says nothing.
func TestX5MirrorsByTagsLoseReferrers(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	b := bench{t.TempDir(), rig.NewBackref(t, registry.URL), rig.NewRegistry(t, rig.Distribution2)}
	subjects := pushMany(t, b.backref.URL, "app", 2)
	b.write(t, "policy.json", `{"default":[{"type":"insecureAcceptAnything"}]}`)
	sync := func(from, to string) []string {
		t.Helper()
		rig.Run(t, b.dir, "skopeo", "--policy", b.dir+"/policy.json", "--tmpdir", b.dir, "sync", "--all", "--src-tls-verify=false", "--dest-tls-verify=false",
			"--src", "docker", "--dest", "docker", from+"/app", strings.TrimPrefix(to, "http://"))
		wantEqual(t, "referrers by skopeo", len(tagLists(t, to, "app", subjects)), 0)
		return sorted(rig.Tags(t, to, "app"))
	}
	wantEqual(t, "tags by skopeo", sync(b.backref.Host, b.plain.URL), []string{"v00", "v01"})
	// Past backref they have the hidden tags, and still nothing that lists.
	past := rig.NewRegistry(t, rig.Distribution2)
	wantEqual(t, "tags past backref", len(sync(registry.Host, past.URL)), 4)

	// A copy brings what is missing.
	result := b.copyTags(t, "--all-tags", b.backref.Host+"/app", b.plain.Host+"/app")
	wantEqual(t, "tags", result.Tags, map[string]int{"copied": 2})
	wantEqual(t, "manifests", result.Manifests, map[string]int{"copied": 2, "present": 2})
	wantEqual(t, "blobs", result.Blobs["copied"], 0)
	wantEqual(t, "referrers tags", tagLists(t, b.plain.URL, "app", subjects), listed(t, b.backref.URL, "app", subjects))
}
