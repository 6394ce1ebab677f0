package requirements

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/test/rig"
)

// notified is a registry that sends its notifications to the backref in front
// of it. The relay stands between the two.
type notified struct {
	registry *rig.Registry
	relay    *rig.Relay
	backref  *rig.Backref
	subject  rig.Manifest
}

// newNotified starts all. What is listed comes from events alone: nothing is
// asked for again within the time of a test.
func newNotified(t *testing.T, version rig.Distribution, token string) notified {
	t.Helper()
	args := []string{
		"--set", "upstream.service.anonymous=true", "--set", "referrers.recheckTag=1h",
		"--set", "reconcile.verifyInterval=0", "--set", "upstream.timeouts.query=2s",
	}
	header := ""
	if token != "" {
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--set", "admin.tokenFile="+file)
		header = fmt.Sprintf(", headers: {Authorization: [Bearer %s]}", token)
	}
	registry := rig.NewRegistry(t, version)
	relay := rig.NewRelay(t, registry.URL)
	backref := rig.NewBackref(t, relay.URL, args...)
	registry.RestartWith(fmt.Sprintf("notifications:\n  endpoints:\n"+
		"  - {name: backref, url: %s/events, timeout: 5s, threshold: 3, backoff: 100ms%s}\n", backref.AdminURL, header))
	n := notified{registry, relay, backref, rig.Image("subject")}
	rig.PushBlob(t, registry.URL, "app", rig.Empty)
	rig.Push(t, registry.URL, "app", "v1", n.subject).Want(t, http.StatusCreated)
	wantListed(t, backref.URL, "app", n.subject.Digest())
	return n
}

// becomesListed waits until a listing is exactly the manifests.
func (n notified) becomesListed(t *testing.T, manifests ...rig.Manifest) {
	t.Helper()
	want := make([]digest.Digest, 0, len(manifests))
	for _, m := range manifests {
		want = append(want, m.Digest())
	}
	slices.Sort(want)
	var got []digest.Digest
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got = digests(rig.Listing(t, n.backref.URL, "app", n.subject.Digest())); slices.Equal(got, want) {
			return
		}
	}
	t.Fatalf("listed %v, want %v", got, want)
}

// push pushes past backref.
func (n notified) push(t *testing.T, tag string, m rig.Manifest) {
	t.Helper()
	rig.Push(t, n.registry.URL, "app", tag, m).Want(t, http.StatusCreated)
}

// remove deletes past backref.
func (n notified) remove(t *testing.T, m rig.Manifest) {
	t.Helper()
	url := n.registry.URL + "/v2/app/manifests/" + m.Digest().String()
	rig.Do(t, http.MethodDelete, url, nil).Want(t, http.StatusAccepted)
}

// Who writes to the registry past backref is seen at once: pushes and deletes
// straight at the registry appear in and vanish from the listing.
func TestWritersPastTheProxyAreSeen(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		n := newNotified(t, version, "s3cret")
		sbom := rig.Artifact("application/vnd.example.sbom", "sbom", n.subject.Descriptor())
		signature := rig.Artifact("application/vnd.example.signature", "signature", n.subject.Descriptor())
		n.push(t, "", sbom)
		n.becomesListed(t, sbom)
		n.push(t, "", signature)
		n.becomesListed(t, sbom, signature)
		n.remove(t, sbom)
		n.becomesListed(t, signature)
		n.push(t, "again", sbom)
		n.becomesListed(t, sbom, signature)

		// Nobody else tells backref anything.
		events := n.backref.AdminURL + "/events"
		for _, header := range []string{"", "Bearer wrong"} {
			rig.Do(t, http.MethodPost, events, []byte(`{"events":[]}`), "Content-Type", "application/json", "Authorization", header).
				Want(t, http.StatusUnauthorized)
		}
		if log := strings.Join(n.backref.Log(), "\n"); strings.Contains(log, "s3cret") {
			t.Error("the token is in the log")
		}
		metrics := string(rig.Do(t, http.MethodGet, n.backref.AdminURL+"/metrics", nil).Body)
		for _, line := range []string{
			`backref_events_total{action="delete",result="forgotten"} 1`,
			`backref_events_total{action="push",result="recorded"} 4`,
		} {
			if !strings.Contains(metrics, line) {
				t.Errorf("the metrics lack %s", line)
			}
		}
	})
}

// A client that keeps the referrers tag itself has it read when it writes it,
// with the referrers that were there before anybody told of them.
func TestReferrersTagPastTheProxyIsSeen(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		n := newNotified(t, version, "")
		sbom := rig.Artifact("application/vnd.example.sbom", "sbom", n.subject.Descriptor())
		// The event of its push is answered as if it were gone.
		missed := make(chan struct{})
		var once sync.Once
		n.relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, sbom.Digest().String()) {
				return false
			}
			w.WriteHeader(http.StatusNotFound)
			once.Do(func() { close(missed) })
			return true
		})
		n.push(t, "", sbom)
		select {
		case <-missed:
		case <-time.After(20 * time.Second):
			t.Fatal("the registry was not asked")
		}
		n.relay.Before(nil)
		wantListed(t, n.backref.URL, "app", n.subject.Digest())
		n.push(t, oci.ReferrersTag(n.subject.Digest()), rig.Index(sbom.Descriptor()))
		n.becomesListed(t, sbom)
	})
}

// While backref can't ask the registry, events wait there and are not lost.
func TestEventsWaitWhileTheRegistryCannotBeAsked(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		n := newNotified(t, version, "")
		kept := rig.Artifact("application/vnd.example.x", "kept", n.subject.Descriptor())
		dropped := rig.Artifact("application/vnd.example.x", "dropped", n.subject.Descriptor())
		n.push(t, "", dropped)
		n.becomesListed(t, dropped)

		refused := make(chan struct{}, 1)
		n.relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, kept.Digest().String()) && !strings.HasSuffix(r.URL.Path, dropped.Digest().String()) {
				return false
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			select {
			case refused <- struct{}{}:
			default:
			}
			return true
		})
		n.push(t, "", kept)
		n.remove(t, dropped)
		select {
		case <-refused:
		case <-time.After(20 * time.Second):
			t.Fatal("the registry was not asked")
		}
		wantListed(t, n.backref.URL, "app", n.subject.Digest(), dropped)
		n.relay.Before(nil)
		n.becomesListed(t, kept)
	})
}
