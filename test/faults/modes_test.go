package faults

import (
	"net/http"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// However the client of the database sends its values, what is acknowledged is
// listed. What is no way is refused at start.
func TestEveryModeOfTheDatabase(t *testing.T) {
	registry, database := rig.NewRegistry(t, rig.Distribution2), rig.NewPostgres(t, false)
	rig.PushBlob(t, registry.URL, "app", rig.Empty)
	image := rig.Image("subject")
	rig.Push(t, registry.URL, "app", "v1", image).Want(t, http.StatusCreated)
	in := func(mode string) string {
		return "index.postgres.url=" + database.URL + "&default_query_exec_mode=" + mode
	}
	for i, mode := range []string{"exec", "simple_protocol", "cache_describe", "describe_exec", "cache_statement"} {
		backref := rig.NewReplica(t, registry.URL, database, "--set", in(mode))
		referrer := rig.Artifact("application/vnd.example.x", mode, image.Descriptor())
		rig.Push(t, backref.URL, "app", "", referrer).Want(t, http.StatusCreated)
		if got := len(rig.Listing(t, backref.URL, "app", image.Digest())); got != i+1 {
			t.Errorf("%s: %d of %d are listed", mode, got, i+1)
		}
		if ready := rig.Do(t, http.MethodGet, backref.AdminURL+"/readyz", nil); ready.Status != http.StatusOK {
			t.Errorf("%s: not ready: %s", mode, ready.Body)
		}
		for _, line := range backref.Log() {
			if strings.Contains(line, "index is damaged") || strings.Contains(line, "rebuild") {
				t.Errorf("%s: %s", mode, line)
			}
		}
		backref.Stop()
	}
	got := rig.TryCommandLine(t, t.TempDir(), "serve", "--upstream", registry.URL, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--set", in("text"))
	if said := got.Stdout + got.Stderr; got.Err == nil || !strings.Contains(said, "default_query_exec_mode") || strings.Contains(said, "damaged") {
		t.Errorf("no mode: %v: %s", got.Err, said)
	}
}
