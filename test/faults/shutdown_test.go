package faults

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// On SIGTERM readiness goes off, what is under way finishes, new connections
// are refused, and the program ends well.
func TestTermDrains(t *testing.T) {
	s := newStage(t, rig.Distribution2)
	begun := rig.Do(t, http.MethodPost, s.backref.URL+"/v2/app/blobs/uploads/", nil).Want(t, http.StatusAccepted)
	rig.Do(t, http.MethodGet, s.backref.AdminURL+"/readyz", nil).Want(t, http.StatusOK)

	// What was put before is not the upload.
	s.relay.Seen()
	content, feed := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut,
		begun.Location+"&digest="+digest.FromString("first second").String(), content)
	if err != nil {
		t.Fatal(err)
	}
	type outcome struct {
		resp *http.Response
		err  error
	}
	finished := make(chan outcome, 1)
	go func() {
		resp, err := http.DefaultTransport.RoundTrip(req)
		finished <- outcome{resp, err}
	}()
	if _, err := feed.Write([]byte("first ")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the upload at the registry", func() bool {
		return strings.Contains(strings.Join(s.relay.Seen(), " "), "PUT ")
	})

	wait := s.backref.Terminate()
	waitFor(t, "readiness off", func() bool {
		return rig.Do(t, http.MethodGet, s.backref.AdminURL+"/readyz", nil).Status == http.StatusServiceUnavailable
	})
	if _, err := feed.Write([]byte("second")); err != nil {
		t.Fatal(err)
	}
	if err := feed.Close(); err != nil {
		t.Fatal(err)
	}
	got := <-finished
	if got.err != nil {
		t.Fatalf("the upload under way was cut off: %v", got.err)
	}
	_ = got.resp.Body.Close()
	if got.resp.StatusCode != http.StatusCreated {
		t.Errorf("status %d", got.resp.StatusCode)
	}
	if err := wait(); err != nil {
		t.Errorf("backref ended badly: %v", err)
	}
}

// With server.shutdownDelay readiness goes off at once, while requests on new
// connections are served as before; a second signal doesn't wait.
func TestTermDelays(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	backref := rig.NewBackref(t, registry.URL, "--set", "server.shutdownDelay=1h")
	wait := backref.Terminate()
	waitFor(t, "readiness off", func() bool {
		got := rig.Do(t, http.MethodGet, backref.AdminURL+"/readyz?verbose", nil)
		return got.Status == http.StatusServiceUnavailable && !partOf(t, got, "server").OK
	})
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(backref.URL + "/v2/")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}
	if err := backref.Terminate()(); err == nil {
		t.Error("the second signal was not what ended it")
	}
	_ = wait()
}

// waitFor waits until a condition holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A damaged index is refused, not served and not overwritten.
func TestDamagedIndexIsRefused(t *testing.T) {
	s := newStage(t, rig.Distribution2)
	for i := range 50 {
		s.try(t, rig.Artifact("application/vnd.example.x", strings.Repeat("x", i), s.subject.Descriptor()))
	}
	s.backref.Stop()
	whole, err := os.ReadFile(s.backref.Index)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{
		"cut":         whole[:64<<10],
		"first pages": append(bytes.Repeat([]byte{0xff}, 8192), whole[8192:]...),
		"text":        []byte(strings.Repeat("not an index\n", 1000)),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "backref.db")
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, rig.Binary(t), "serve", "--upstream", s.relay.URL,
				"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--index", path)
			output, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(output), "damaged") {
				t.Errorf("%v: %s", err, output)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, damaged) {
				t.Errorf("the file was changed, %v", err)
			}
		})
	}
}
