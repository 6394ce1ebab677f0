package maintenance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// interruption is a moment at which a rebuild is killed: one question was
// refused, another one is still open.
type interruption struct {
	name           string
	refused, hangs func(r *http.Request) bool
	// filled is how many manifests are read or kept by then.
	filled int64
}

func interruptions() []interruption {
	head := func(r *http.Request, repository string) bool {
		return r.Method == http.MethodHead && strings.Contains(r.URL.Path, repository)
	}
	return []interruption{
		{
			"reading",
			func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/app00/manifests/v2") },
			func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/app20/manifests/") },
			20,
		},
		{
			"keeping",
			func(r *http.Request) bool { return head(r, "/app00/") },
			func(r *http.Request) bool { return head(r, "/app20/") },
			41,
		},
	}
}

// What a rebuild could not read before it was killed is read by the one that
// goes on with it, be it what a list names or what only the index knows.
func TestResumedRebuildReadsFailuresAgain(t *testing.T) {
	for _, at := range interruptions() {
		t.Run(at.name, func(t *testing.T) {
			registry := rig.NewRegistry(t, rig.Distribution2)
			relay := rig.NewRelay(t, registry.URL)
			backref := rig.NewBackref(t, relay.URL, append([]string{"--set", "reconcile.verifyInterval=0", "--set", "referrers.hiddenTags=false"}, quick...)...)
			var untagged []rig.Manifest
			for i := range 21 {
				repository := fmt.Sprintf("app%02d", i)
				untagged = append(untagged, attached(t, backref.URL, repository, prepare(t, backref.URL, repository), 1)...)
			}
			added := rig.Artifact("application/vnd.example.added", "added", rig.Image("app00").Descriptor())
			rig.Push(t, registry.URL, "app00", "v2", added).Want(t, http.StatusCreated)
			rig.Do(t, http.MethodDelete, registry.URL+"/v2/app00/manifests/"+untagged[0].Digest().String(), nil).Want(t, http.StatusAccepted)

			relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case at.refused(r):
					w.WriteHeader(http.StatusForbidden)
				case at.hangs(r):
					<-r.Context().Done()
				default:
					return false
				}
				return true
			})
			broken := make(chan rig.Command, 1)
			go func() { broken <- backref.Try(t, "index", "rebuild") }()
			rig.Eventually(t, "the rebuild waits for one answer", func() bool { return rebuilding(t, backref) >= at.filled })
			backref.Kill()
			if c := <-broken; c.Err == nil {
				t.Error("the rebuild succeeded although its server was killed")
			}
			relay.Before(nil)
			backref.Restart()
			rebuilt := report[result](t, backref.Run(t, "index", "rebuild"), "report")
			if !rebuilt.Resumed || !rebuilt.Swapped || rebuilt.Failed != 0 || rebuilt.Dropped != 1 {
				t.Errorf("report %+v", rebuilt)
			}
			exported := backref.Run(t, "index", "export")
			if !strings.Contains(exported, added.Digest().String()) {
				t.Error("what could not be read at first is missing")
			}
			if strings.Contains(exported, untagged[0].Digest().String()) {
				t.Error("what could not be asked for at first is kept, but is gone")
			}
		})
	}
}
