package hostile

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// The bounds that SECURITY.md states for the default configuration, in MiB.
const (
	slowBound = 128
	pushBound = 1024
)

// plain has rig start a backref without the race detector, whose own memory
// would be measured otherwise.
func plain(t *testing.T) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "backref")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "github.com/backref/backref/cmd/backref")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build backref: %v\n%s", err, output)
	}
	t.Setenv("RIG_BACKREF", binary)
}

// meter follows the memory of a process: what it has of its own. Pages of the
// index file are not counted, since the kernel drops them when it needs to;
// how many it holds depends on how much was pushed, not on how much at once.
type meter struct {
	stop chan struct{}
	most chan int
}

func follow(t *testing.T, b *rig.Backref) meter {
	t.Helper()
	m := meter{make(chan struct{}), make(chan int)}
	status := fmt.Sprintf("/proc/%d/status", b.PID())
	if anonymous(status) == 0 {
		t.Fatalf("%s does not tell RssAnon", status)
	}
	go func() {
		most := 0
		for {
			most = max(most, anonymous(status))
			select {
			case <-m.stop:
				m.most <- max(most, anonymous(status))
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return m
}

// anonymous reads RssAnon, in MiB.
func anonymous(path string) int {
	status, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if name, value, _ := strings.Cut(line, ":"); name == "RssAnon" {
			kib, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			return kib / 1024
		}
	}
	return 0
}

// hasRead waits until backref has read all that its clients have sent, and holds
// what it makes of that.
func hasRead(t *testing.T, b *rig.Backref) {
	t.Helper()
	_, number, err := net.SplitHostPort(b.Host)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	// Of each connection the table has in hexadecimal digits its local address,
	// the other one, its state, and how much waits to be sent and to be read.
	const established = "01"
	local, table := fmt.Sprintf(":%04X", port), fmt.Sprintf("/proc/%d/net/tcp", b.PID())
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		connections, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		there, unread := 0, 0
		for line := range strings.Lines(string(connections)) {
			fields := strings.Fields(line)
			if len(fields) < 5 || !strings.HasSuffix(fields[1], local) || fields[3] != established {
				continue
			}
			there++
			if !strings.HasSuffix(fields[4], ":00000000") {
				unread++
			}
		}
		if there > 0 && unread == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %d connections %d hold what is not read", there, unread)
		}
	}
}

// wantBelow reports the peak, and fails the test where it is above the bound.
func (m meter) wantBelow(t *testing.T, doing string, bound int) {
	t.Helper()
	close(m.stop)
	mib := <-m.most
	rig.Report(t, fmt.Sprintf("memory of backref under %s: %d MiB at most, bound %d MiB", doing, mib, bound))
	if mib > bound {
		t.Errorf("%d MiB, more than %d", mib, bound)
	}
}

// TestMemoryUnderSlowClients has clients that send half a header, half a
// manifest or half a blob and then nothing, while others are served.
func TestMemoryUnderSlowClients(t *testing.T) {
	plain(t)
	registry := rig.NewRegistry(t, rig.Distribution3)
	b := rig.NewBackref(t, registry.URL)
	rig.PushBlob(t, b.URL, "app", rig.Empty)
	memory := follow(t, b)
	begun := []string{
		"GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Slow: ",
		put("Content-Length: 200000") + "{",
		"POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\na",
	}
	count(t)
	for i := range 500 {
		conn, err := net.Dial("tcp", b.Host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, begun[i%len(begun)]); err != nil {
			t.Fatal(err)
		}
	}
	rig.Push(t, b.URL, "app", "v1", rig.Image("quick")).Want(t, http.StatusCreated)
	hasRead(t, b)
	rig.Do(t, http.MethodGet, b.URL+"/v2/app/manifests/v1", nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
	memory.wantBelow(t, "500 slow clients", slowBound)
}

// TestMemoryUnderLargeManifests pushes many of the largest manifests at once,
// half of them with a subject. Each is taken, or told to come again.
func TestMemoryUnderLargeManifests(t *testing.T) {
	plain(t)
	registry := rig.NewRegistry(t, rig.Distribution3)
	b := rig.NewBackref(t, registry.URL)
	rig.PushBlob(t, b.URL, "app", rig.Empty)
	// Made before, so that no client dawdles because others make theirs.
	bodies := make([][]byte, 200)
	for i := range bodies {
		bodies[i] = large(i)
	}
	memory := follow(t, b)
	var pushes sync.WaitGroup
	statuses := make([]int, len(bodies))
	count(t)
	for i, body := range bodies {
		pushes.Go(func() {
			reply, err := rig.Send(t, http.MethodPut, b.URL+"/v2/app/manifests/"+digest.FromBytes(body).String(), body, "Content-Type", rig.ImageManifest)
			if err != nil {
				t.Errorf("push %d: %v", i, err)
			}
			statuses[i] = reply.Status
		})
	}
	pushes.Wait()
	by := map[int]int{}
	for _, status := range statuses {
		by[status]++
	}
	if by[http.StatusCreated]+by[http.StatusServiceUnavailable] != len(statuses) || by[http.StatusCreated] == 0 {
		t.Errorf("statuses %v", by)
	}
	memory.wantBelow(t, fmt.Sprintf("200 concurrent pushes of 4 MiB (%d taken, %d told to come again)",
		by[http.StatusCreated], by[http.StatusServiceUnavailable]), pushBound)
}

// large returns a manifest of just below 4 MiB, nearly all of it an annotation:
// of the manifest, or, where that has a subject and a listing has to carry it,
// of its layer.
func large(n int) []byte {
	m := rig.Image(strconv.Itoa(n))
	annotations := m.Annotations
	if n%2 == 0 {
		m = rig.Artifact("application/vnd.example.large", strconv.Itoa(n), rig.Image("subject").Descriptor())
		layers := slices.Clone(*m.Layers)
		annotations = map[string]string{}
		layers[0].Annotations = annotations
		m.Layers = &layers
	}
	annotations["large"] = ""
	annotations["large"] = strings.Repeat("a", 4<<20-len(m.Bytes())-64)
	return m.Bytes()
}
