package maintenance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// quick are the settings by which background work comes at once.
var quick = []string{
	"--set", "upstream.service.anonymous=true", "--set", "reconcile.settleInterval=200ms", "--set", "reconcile.missingTwice=10ms",
	"--set", "upstream.timeouts.grace=1ms", "--set", "upstream.timeouts.connect=1s", "--set", "upstream.timeouts.responseHeader=1s",
}

// export returns the records of an index as lines without the time at which
// they were first seen.
func export(t *testing.T, b *rig.Backref) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(b.Run(t, "index", "export")) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("export: %v: %s", err, line)
		}
		delete(record, "seen")
		plain, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(plain))
	}
	return lines
}

// differences shows the lines that only one side has, the first few of them.
func differences(got, want []string) string {
	count := map[string]int{}
	for _, line := range got {
		count[line]++
	}
	for _, line := range want {
		count[line]--
	}
	var out strings.Builder
	shown := 0
	for line, n := range count {
		if n != 0 && shown < 10 {
			shown++
			fmt.Fprintf(&out, "%+d %s\n", n, line)
		}
	}
	return out.String()
}

// report returns the last line of a rebuild or verification, decoded.
func report[T any](t *testing.T, output, field string) T {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(output), "\n")
	var last map[string]json.RawMessage
	var value T
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatalf("last line: %v: %s", err, output)
	}
	if err := json.Unmarshal(last[field], &value); err != nil {
		t.Fatalf("%s: %v: %s", field, err, output)
	}
	return value
}

// prepare pushes a subject into a repository, with the blob that all test
// content uses.
func prepare(t *testing.T, base, repository string) rig.Manifest {
	t.Helper()
	rig.PushBlob(t, base, repository, rig.Empty)
	image := rig.Image(repository)
	rig.Push(t, base, repository, "v1", image).Want(t, http.StatusCreated)
	return image
}

// attached pushes n referrers of a subject and returns them.
func attached(t *testing.T, base, repository string, subject rig.Manifest, n int) []rig.Manifest {
	t.Helper()
	var all []rig.Manifest
	for i := range n {
		m := rig.Artifact("application/vnd.example.x", fmt.Sprintf("%s %d", repository, i), subject.Descriptor())
		rig.Push(t, base, repository, "", m).Want(t, http.StatusCreated)
		all = append(all, m)
	}
	return all
}

func wantListed(t *testing.T, b *rig.Backref, repository string, subject digest.Digest, n int) {
	t.Helper()
	if got := rig.Listing(t, b.URL, repository, subject); len(got) != n {
		t.Errorf("%d referrers of %s in %s are listed, want %d", len(got), subject, repository, n)
	}
}
