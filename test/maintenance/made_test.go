package maintenance

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// dockerPush pushes an image as Docker does: a config with the time, and a
// manifest of the second schema without an annotation.
func dockerPush(t *testing.T, base, repository, tag, created string) {
	t.Helper()
	layer := rig.PushBlob(t, base, repository, rig.Empty)
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","created":%q,"config":{"Labels":{"tag":%q}},"rootfs":{"type":"layers","diff_ids":[%q]}}`, created, tag, layer)
	sum := rig.PushBlob(t, base, repository, config)
	const image = "application/vnd.docker.distribution.manifest.v2+json"
	body := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":%d,"digest":%q},`+
		`"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":%d,"digest":%q}]}`, image, len(config), sum, len(rig.Empty), layer)
	rig.Do(t, http.MethodPut, base+"/v2/"+repository+"/manifests/"+tag, []byte(body), "Content-Type", image).Want(t, http.StatusCreated)
}

// buildPush pushes an image for two platforms as BuildKit does: an index with an
// attestation for each, whose config says no time.
func buildPush(t *testing.T, base, repository, tag string, created ...string) {
	t.Helper()
	layer := rig.PushBlob(t, base, repository, rig.Empty)
	const config, image = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.manifest.v1+json"
	var entries []string
	push := func(platform, content, annotations string) digest.Digest {
		sum := rig.PushBlob(t, base, repository, content)
		body := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"size":%d,"digest":%q},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":%d,"digest":%q}]}`,
			image, config, len(content), sum, len(rig.Empty), layer)
		name := digest.FromString(body)
		rig.Do(t, http.MethodPut, base+"/v2/"+repository+"/manifests/"+name.String(), []byte(body), "Content-Type", image).Want(t, http.StatusCreated)
		entries = append(entries, fmt.Sprintf(`{"mediaType":%q,"size":%d,"digest":%q,"platform":%s%s}`, image, len(body), name, platform, annotations))
		return name
	}
	for i, at := range created {
		platform := fmt.Sprintf(`{"os":"linux","architecture":"arch%d"}`, i)
		of := push(platform, fmt.Sprintf(`{"os":"linux","architecture":"arch%d","created":%q,"rootfs":{"type":"layers","diff_ids":[]}}`, i, at), "")
		push(`{"os":"unknown","architecture":"unknown"}`, fmt.Sprintf(`{"os":"unknown","architecture":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":[%q]}}`, of),
			fmt.Sprintf(`,"annotations":{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":%q}`, of))
	}
	const list = "application/vnd.oci.image.index.v1+json"
	body := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, list, strings.Join(entries, ","))
	rig.Do(t, http.MethodPut, base+"/v2/"+repository+"/manifests/"+tag, []byte(body), "Content-Type", list).Want(t, http.StatusCreated)
}

// toolsPush pushes images with the tools that people use.
func toolsPush(t *testing.T, host, repository string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("image.json", `{"architecture":"amd64","os":"linux","created":"2020-01-01T00:00:00Z","rootfs":{"type":"layers","diff_ids":[]}}`)
	write("layer.txt", "layer")
	var layer strings.Builder
	if err := tar.NewWriter(&layer).Close(); err != nil {
		t.Fatal(err)
	}
	write("layer.tar", layer.String())
	name := host + "/" + repository
	// Without the annotation oras states when it pushes.
	rig.Run(t, dir, "oras", "push", "--plain-http", "--image-spec", "v1.0", "--annotation", "org.opencontainers.image.created=2024-02-01T00:00:00Z",
		name+":oras", "--config", "image.json:"+rig.ImageConfig, "layer.txt")
	rig.Run(t, dir, "regctl", "--host", "reg="+host+",tls=disabled", "image", "create", "--created", "2024-04-01T00:00:00Z", name+":regctl")
	// crane writes year 1.
	rig.Run(t, dir, "crane", "append", "--insecure", "-f", "layer.tar", "-t", name+":crane")
}

// tagDates returns what backref tags prints: the tags with their times, oldest
// first.
func tagDates(t *testing.T, url, repository string, args ...string) []string {
	t.Helper()
	args = append([]string{"tags", "--sort", "created", "-o", "json"}, args...)
	output := rig.RunCommandLine(t, t.TempDir(), append(args, strings.TrimPrefix(url, "http://")+"/"+repository)...)
	var tags []struct {
		Tag     string
		Created time.Time
	}
	if err := json.Unmarshal([]byte(output), &tags); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	var dates []string
	for _, tag := range tags {
		date := tag.Created.Format(time.DateOnly)
		if time.Since(tag.Created) < time.Hour {
			date = "now"
		}
		dates = append(dates, tag.Tag+" "+date)
	}
	return dates
}

// wantReferrerAges lists referrers of which one says when it was made.
func wantReferrerAges(t *testing.T, url string) {
	t.Helper()
	subject := prepare(t, url, "referrers")
	attached(t, url, "referrers", subject, 1)
	stated := rig.Artifact("application/vnd.example.x", "stated", subject.Descriptor())
	stated.Annotations = map[string]string{"org.opencontainers.image.created": "2024-02-01T00:00:00Z"}
	rig.Push(t, url, "referrers", "", stated).Want(t, http.StatusCreated)
	list := func(format string) string {
		t.Helper()
		return rig.RunCommandLine(t, t.TempDir(), "referrers", "--sort", "-created", "-o", format, strings.TrimPrefix(url, "http://")+"/referrers:v1")
	}
	var referrers []struct{ Created time.Time }
	if err := json.Unmarshal([]byte(list("json")), &referrers); err != nil || len(referrers) != 2 {
		t.Fatalf("%v: %v", referrers, err)
	}
	if time.Since(referrers[0].Created) > time.Hour || referrers[1].Created.Format(time.DateOnly) != "2024-02-01" {
		t.Errorf("got %v", referrers)
	}
	lines := strings.Split(strings.TrimSpace(list("table")), "\n")
	for i, end := range []string{"AGE", "s", "d"} {
		if !strings.HasSuffix(lines[i], end) {
			t.Errorf("line %d is %q, want %q at its end", i, lines[i], end)
		}
	}
}

func wantDates(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// Images of real tools are as old as their configs say: when somebody asks, after
// a rebuild of an index that was lost, and without backref. Once it has been read
// it needs no config any more.
func TestImagesAreAsOldAsTheirConfigs(t *testing.T) {
	t.Parallel()
	registry := rig.NewRegistry(t, rig.Distribution2)
	b := rig.NewBackref(t, registry.URL)
	host := strings.TrimPrefix(b.URL, "http://")
	dockerPush(t, b.URL, "app", "docker", "2024-03-01T10:00:00.123456789Z")
	dockerPush(t, b.URL, "app", "reproducible", "1970-01-01T00:00:00Z")
	buildPush(t, b.URL, "app", "buildkit", "2024-05-01T00:00:00Z", "2024-06-01T00:00:00Z")
	toolsPush(t, host, "app")
	dated := []string{"oras 2024-02-01", "docker 2024-03-01", "regctl 2024-04-01", "buildkit 2024-06-01"}
	all := append(slices.Clone(dated), "reproducible now", "crane now")
	wantDates(t, "asked for", tagDates(t, b.URL, "app"), all...)
	wantDates(t, "between", tagDates(t, b.URL, "app", "--between", "docker..buildkit"), dated[1:]...)
	wantReferrerAges(t, b.URL)

	b.Stop()
	if err := os.Remove(b.Index); err != nil {
		t.Fatal(err)
	}
	got := report[struct{ Dated, Undated int }](t, b.Run(t, "index", "rebuild", "--create", "--repository", "app"), "report")
	// The index, its four manifests, and the four images without an annotation.
	if got.Dated != 9 || got.Undated != 0 {
		t.Errorf("the rebuild has read %+v", got)
	}
	b.Restart()
	registry.Kill()
	if err := os.RemoveAll(filepath.Join(registry.Storage, "docker", "registry", "v2", "repositories", "app", "_layers")); err != nil {
		t.Fatal(err)
	}
	registry.Restart()
	// After a rebuild all are seen at once, but for their configs.
	again := tagDates(t, b.URL, "app")
	wantDates(t, "rebuilt", again[:len(dated)], dated...)
	if direct := tagDates(t, registry.URL, "app"); len(direct) != len(all) {
		t.Errorf("without configs the registry has %q", direct)
	}
}

// What came before is read in the background with upstream.service, and once.
func TestTheBackgroundReadsWhenImagesWereMade(t *testing.T) {
	t.Parallel()
	registry := rig.NewRegistry(t, rig.Distribution3)
	b := rig.NewBackref(t, registry.URL)
	dockerPush(t, b.URL, "app", "one", "2024-01-01T00:00:00Z")
	buildPush(t, b.URL, "app", "two", "2024-02-01T00:00:00Z")
	b.Restart(quick...)
	rig.Eventually(t, "all images have been looked at", func() bool { return strings.Contains(strings.Join(b.Log(), "\n"), "when they were made") })
	registry.Kill()
	if err := os.RemoveAll(filepath.Join(registry.Storage, "docker", "registry", "v2", "repositories", "app", "_layers")); err != nil {
		t.Fatal(err)
	}
	registry.Restart()
	wantDates(t, "tags", tagDates(t, b.URL, "app"), "one 2024-01-01", "two 2024-02-01")
}
