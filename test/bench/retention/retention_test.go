// Package retention measures a dry run of retention beside the verification of the same
// index, with the real program in front of a registry that answers from memory:
//
//	go test ./test/bench/retention -bench . -benchtime 1x -timeout 60m
//
// It is no part of the tests: without -bench nothing runs.
package retention

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// content is what a registry holds: of each repository an image or several, each with a
// tag, and referrers, each with its hidden tag.
type content struct {
	names     []string
	tags      map[string][]string
	manifests map[string][]byte
	records   bytes.Buffer
}

const (
	mediaType = "application/vnd.oci.image.manifest.v1+json"
	empty     = `{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}`
)

// add adds a manifest with a tag, and returns its digest.
func (c *content) add(b *testing.B, repository string, body []byte, tag func(digest.Digest) string) digest.Digest {
	sum := digest.FromBytes(body)
	named := tag(sum)
	c.tags[repository] = append(c.tags[repository], named)
	c.manifests[repository+"/"+sum.String()], c.manifests[repository+"/"+named] = body, body
	manifest, err := index.ManifestLimits{}.Parse(mediaType, digest.SHA256, body)
	if err != nil {
		b.Fatal(err)
	}
	line, err := json.Marshal(index.Record{Repository: repository, Manifest: manifest, Seen: time.Now()})
	if err != nil {
		b.Fatal(err)
	}
	c.records.Write(append(line, '\n'))
	return sum
}

// newContent makes repositories of 100 referrers each, of so many images.
func newContent(b *testing.B, repositories, images int) *content {
	const referrers = 100
	c := &content{tags: map[string][]string{}, manifests: map[string][]byte{}}
	for r := range repositories {
		repository := fmt.Sprintf("team%02d/app%04d", r%20, r)
		c.names = append(c.names, repository)
		for i := range images {
			image := c.add(b, repository, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[],"annotations":{"name":"%s %d","org.opencontainers.image.created":"2026-01-01T00:00:00Z"}}`,
				mediaType, repository, i), func(digest.Digest) string { return fmt.Sprintf("v1.%d", i) })
			for n := range referrers / images {
				c.add(b, repository, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.example.kind%d","config":%s,"layers":[%s],"subject":{"mediaType":%q,"digest":%q,"size":300},"annotations":{"org.opencontainers.image.created":"2026-01-01T00:%02d:%02dZ","org.example.of":"%s %d"}}`,
					mediaType, n%2, empty, empty, mediaType, image, n/60, n%60, repository, n), oci.HiddenTag)
			}
		}
	}
	return c
}

// ServeHTTP serves the content as a registry.
func (c *content) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	repository, reference, isManifest := strings.Cut(path, "/manifests/")
	switch {
	case path == "":
		_, _ = w.Write([]byte("{}"))
	case path == "_catalog":
		page(w, r, "repositories", "", c.names)
	case strings.HasSuffix(path, "/tags/list"):
		repository = strings.TrimSuffix(path, "/tags/list")
		page(w, r, "tags", repository, c.tags[repository])
	case isManifest && c.manifests[repository+"/"+reference] != nil:
		body := c.manifests[repository+"/"+reference]
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(body).String())
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`))
	}
}

// page writes a whole list, or nothing behind its last name.
func page(w http.ResponseWriter, r *http.Request, field, name string, all []string) {
	if r.URL.Query().Get("last") != "" {
		all = nil
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"name": name, field: all})
}

// used is what a program took.
type used struct {
	seconds, megabytes float64
}

// run runs a program and looks at its own memory, without the file of the index that
// it maps.
func run(b *testing.B, cmd *exec.Cmd) used {
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for most := 0.0; ; {
		select {
		case err := <-done:
			if err != nil {
				b.Fatalf("%s: %v\n%s", cmd, err, output.Bytes())
			}
			lines := strings.Split(strings.TrimSpace(output.String()), "\n")
			b.Logf("%s: %s", cmd.Args[1], lines[len(lines)-1])
			return used{time.Since(began).Seconds(), most}
		case <-ticker.C:
			most = max(most, anonymous(cmd.Process.Pid))
		}
	}
}

// anonymous returns the megabytes of a process that are no file's.
func anonymous(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	kilobytes, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseFloat(kilobytes, 64)
	return n / 1024
}

// BenchmarkDryRun measures a dry run, and a verification as its base, in one run.
func BenchmarkDryRun(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "backref")
	if output, err := exec.Command("go", "build", "-o", binary, "../../../cmd/backref").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, output)
	}
	for _, images := range []int{1, 50} {
		for _, repositories := range []int{100, 1000} {
			b.Run(fmt.Sprintf("referrers=%d/images=%d", 100*repositories, images), func(b *testing.B) { dryRun(b, binary, repositories, images) })
		}
	}
}

func dryRun(b *testing.B, binary string, repositories, images int) {
	c := newContent(b, repositories, images)
	registry := httptest.NewServer(c)
	defer registry.Close()
	file := filepath.Join(b.TempDir(), "backref.db")
	backref := func(args ...string) *exec.Cmd {
		return exec.Command(binary, append(args, "--index", file, "--set", "upstream.url="+registry.URL, "--set", "upstream.service.anonymous=true",
			"--set", "reconcile.rate=1000000", "--set", "admin.listen=127.0.0.1:1",
			"--set", `retention.rules=[{name: newest, repositories: ["**"], keep: {newest: 3}}, {name: orphans, repositories: ["**"], subjectGoneFor: 24h}]`)...)
	}
	fill := backref("index", "import", "--create")
	fill.Stdin = &c.records
	run(b, fill)
	runtime.GC()
	b.ResetTimer()
	for range b.N {
		verify := run(b, backref("index", "verify"))
		dry := run(b, backref("retain", "--dry-run", "-q", "-o", "json"))
		b.ReportMetric(verify.seconds, "verify-s")
		b.ReportMetric(dry.seconds, "dry-s")
		b.ReportMetric(dry.seconds/verify.seconds, "dry/verify")
		b.ReportMetric(verify.megabytes, "verify-MB")
		b.ReportMetric(dry.megabytes, "dry-MB")
	}
}
