package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// cluster is two backrefs that share an index, in front of one registry.
type cluster struct {
	database *rig.Postgres
	registry *rig.Registry
	relay    *rig.Relay
	replicas []*rig.Backref
	subject  rig.Manifest
}

func newCluster(t *testing.T, args ...string) cluster {
	t.Helper()
	registry := rig.NewRegistry(t, rig.Distribution2)
	c := cluster{database: rig.NewPostgres(t, true), registry: registry, relay: rig.NewRelay(t, registry.URL), subject: rig.Image("subject")}
	for range 2 {
		c.replicas = append(c.replicas, rig.NewReplica(t, c.relay.URL, c.database, args...))
	}
	rig.PushBlob(t, registry.URL, "app", rig.Empty)
	rig.Push(t, c.replicas[0].URL, "app", "v1", c.subject).Want(t, http.StatusCreated)
	return c
}

// referrer returns a referrer of the subject.
func (c cluster) referrer(name string) rig.Manifest {
	return rig.Artifact("application/vnd.example.x", name, c.subject.Descriptor())
}

// push pushes a referrer through a replica.
func (c cluster) push(t *testing.T, replica *rig.Backref, m rig.Manifest) (rig.Reply, error) {
	t.Helper()
	return rig.Send(t, http.MethodPut, replica.URL+"/v2/app/manifests/"+m.Digest().String(), m.Bytes(), "Content-Type", m.MediaType)
}

// listed returns the digests that a replica lists.
func (c cluster) listed(t *testing.T, replica *rig.Backref) []digest.Digest {
	t.Helper()
	var digests []digest.Digest
	for _, entry := range rig.Listing(t, replica.URL, "app", c.subject.Digest()) {
		digests = append(digests, entry.Digest)
	}
	return digests
}

// What is pushed or deleted through one replica is so for the other at once.
func TestReplicasListTheSame(t *testing.T) {
	c := newCluster(t)
	for i := range 20 {
		here, there := c.replicas[i%2], c.replicas[(i+1)%2]
		m := c.referrer(fmt.Sprint(i))
		rig.Push(t, here.URL, "app", "", m).Want(t, http.StatusCreated)
		if !slices.Contains(c.listed(t, there), m.Digest()) {
			t.Fatalf("push %d through one replica is not listed by the other", i)
		}
		if i%2 == 1 {
			continue
		}
		rig.Do(t, http.MethodDelete, there.URL+"/v2/app/manifests/"+m.Digest().String(), nil).Want(t, http.StatusAccepted)
		if slices.Contains(c.listed(t, here), m.Digest()) {
			t.Fatalf("push %d was deleted through the other replica and is listed", i)
		}
	}
}

// Pushes to one subject through both replicas at once lose nothing.
func TestReplicasPushAtOnce(t *testing.T) {
	const clients, each = 8, 25
	c := newCluster(t)
	var group sync.WaitGroup
	for client := range clients {
		group.Go(func() {
			for i := range each {
				got, err := c.push(t, c.replicas[(client+i)%2], c.referrer(fmt.Sprint(client, "-", i)))
				if err != nil || got.Status != http.StatusCreated || got.Header.Get("OCI-Subject") == "" {
					t.Errorf("push: %v, %d: %s", err, got.Status, got.Body)
				}
			}
		})
	}
	group.Wait()
	for _, replica := range c.replicas {
		if n := len(c.listed(t, replica)); n != clients*each {
			t.Errorf("%d are listed of %d", n, clients*each)
		}
	}
}

// load pushes through both replicas until it is told to end, and keeps what was
// acknowledged. An answer that is not a success must say when to come back.
type load struct {
	acknowledged sync.Map // of digest
	refused      atomic.Int64
	ended        chan struct{}
	once         sync.Once
	group        sync.WaitGroup
}

func (c cluster) load(t *testing.T) *load {
	const clients = 6
	l := &load{ended: make(chan struct{})}
	for client := range clients {
		l.group.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-l.ended:
					return
				default:
				}
				m := c.referrer(fmt.Sprint("load ", client, "-", i))
				got, err := c.push(t, c.replicas[client%2], m)
				switch {
				case t.Context().Err() != nil:
					return
				case err != nil && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "refused") && !strings.Contains(err.Error(), "reset"):
					t.Error(err)
				case err != nil:
				case got.Status == http.StatusCreated:
					l.acknowledged.Store(m.Digest(), client)
				case got.Status == http.StatusServiceUnavailable && got.Header.Get("Retry-After") != "":
					l.refused.Add(1)
				default:
					t.Errorf("push: %d %v: %s", got.Status, got.Header, got.Body)
				}
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

// proceeds waits until some more pushes are acknowledged.
func (l *load) proceeds(t *testing.T) {
	t.Helper()
	const more = 30
	enough := l.count() + more
	waitFor(t, "pushes are acknowledged", func() bool { return l.count() >= enough })
}

// count returns how many pushes were acknowledged.
func (l *load) count() int {
	count := 0
	l.acknowledged.Range(func(_, _ any) bool { count++; return true })
	return count
}

func (l *load) end() {
	l.once.Do(func() { close(l.ended) })
	l.group.Wait()
}

// wantListed fails the test where something that was acknowledged lacks.
func (l *load) wantListed(t *testing.T, c cluster) {
	t.Helper()
	for _, replica := range c.replicas {
		there := map[digest.Digest]bool{}
		for _, d := range c.listed(t, replica) {
			there[d] = true
		}
		count := 0
		l.acknowledged.Range(func(d, _ any) bool {
			count++
			if !there[d.(digest.Digest)] {
				t.Errorf("%s was acknowledged and is not listed", d)
			}
			return true
		})
		t.Logf("%d were acknowledged, %d refused, %d are listed", count, l.refused.Load(), len(there))
		if count == 0 {
			t.Error("nothing was acknowledged")
		}
	}
}

// The database crashes and comes back under load: meanwhile the answer is 503
// with Retry-After, and what was acknowledged before and after is listed.
func TestTheDatabaseIsAway(t *testing.T) {
	c := newCluster(t)
	l := c.load(t)
	for _, end := range []func() error{c.database.Kill, c.database.Stop} {
		l.proceeds(t)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		got := rig.Do(t, http.MethodGet, c.replicas[0].URL+"/v2/app/referrers/"+c.subject.Digest().String(), nil).Want(t, http.StatusServiceUnavailable)
		if got.Header.Get("Retry-After") == "" || !strings.Contains(string(got.Body), `"UNAVAILABLE"`) {
			t.Errorf("header %v: %s", got.Header, got.Body)
		}
		ready := c.replicas[0].AdminURL + "/readyz"
		waitFor(t, "not ready", func() bool {
			got := rig.Do(t, http.MethodGet, ready, nil)
			return got.Status == http.StatusServiceUnavailable && strings.Contains(string(got.Body), "pushes are refused")
		})
		rig.Do(t, http.MethodGet, ready+"?exclude=index", nil).Want(t, http.StatusOK)
		// What is no matter of the index goes on.
		rig.Do(t, http.MethodGet, c.replicas[0].URL+"/v2/app/manifests/v1", nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
		if err := c.database.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "ready again", func() bool { return rig.Do(t, http.MethodGet, ready, nil).Status == http.StatusOK })
	}
	l.proceeds(t)
	l.end()
	if l.refused.Load() == 0 {
		t.Error("no push was refused")
	}
	l.wantListed(t, c)
}

// The replica that works in the background dies under load: the other one goes
// on, lists what was acknowledged by either, and settles what was left open.
func TestAReplicaDies(t *testing.T) {
	c := newCluster(t, "--set", "upstream.service.anonymous=true", "--set", "reconcile.settleInterval=200ms",
		"--set", "upstream.timeouts.connect=500ms", "--set", "upstream.timeouts.responseHeader=1s", "--set", "upstream.timeouts.grace=100ms")
	// The last push of the dead: the registry has it, and nobody was told.
	last := c.referrer("last")
	matches := isManifest(http.MethodPut, last.Digest())
	c.relay.After(func(r *http.Request, status int) {
		if matches(r) && status == http.StatusCreated {
			c.replicas[0].Kill()
		}
	})
	l := c.load(t)
	l.proceeds(t)
	if got, err := c.push(t, c.replicas[0], last); err == nil {
		t.Fatalf("a process that is dead answered %d", got.Status)
	}
	l.proceeds(t)
	l.end()
	c.relay.After(nil)
	c.replicas = c.replicas[1:]
	l.wantListed(t, c)
	if !slices.Contains(c.listed(t, c.replicas[0]), last.Digest()) {
		t.Error("what the registry has of the dead is not listed")
	}
	waitFor(t, "the intents of the dead to be settled", func() bool { return c.replicas[0].Run(t, "index", "intents") == "" })
}

// The referrers tag upstream follows pushes through any replica, whichever of
// them writes it, and goes on when that one dies.
func TestReplicasMirrorOnce(t *testing.T) {
	c := newCluster(t, "--set", "upstream.service.anonymous=true", "--set", "referrers.fallbackTags=mirror")
	tag := c.registry.URL + "/v2/app/manifests/" + strings.Replace(c.subject.Digest().String(), ":", "-", 1)
	wantMirrored := func(want int) {
		t.Helper()
		var list struct{ Manifests []rig.Descriptor }
		for deadline := time.Now().Add(30 * time.Second); len(list.Manifests) != want; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the tag lists %d, want %d", len(list.Manifests), want)
			}
			got := rig.Do(t, http.MethodGet, tag, nil, "Accept", rig.ImageIndex)
			if got.Status != http.StatusOK {
				continue
			}
			list.Manifests = nil
			if err := json.Unmarshal(got.Body, &list); err != nil {
				t.Fatal(err)
			}
		}
	}
	pushed := 0
	for _, replica := range []int{0, 1, 1} {
		if pushed == 20 {
			c.replicas[0].Kill()
		}
		for range 10 {
			rig.Push(t, c.replicas[replica].URL, "app", "", c.referrer(fmt.Sprint(pushed))).Want(t, http.StatusCreated)
			pushed++
		}
		wantMirrored(pushed)
	}
}

// Of two rebuilds at once the second is refused, wherever it runs, and the
// first one goes on.
func TestReplicasRebuildOneAtATime(t *testing.T) {
	c := newCluster(t, "--set", "upstream.service.anonymous=true")
	m := c.referrer("kept")
	rig.Push(t, c.replicas[0].URL, "app", "", m).Want(t, http.StatusCreated)
	// The registry keeps the first rebuild waiting.
	waiting, release := make(chan struct{}, 1), make(chan struct{})
	c.relay.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			select {
			case waiting <- struct{}{}:
			default:
			}
			<-release
		}
		return false
	})
	first := make(chan rig.Command, 1)
	go func() { first <- c.replicas[0].Try(t, "index", "rebuild") }()
	<-waiting
	if second := c.replicas[1].Try(t, "index", "rebuild"); second.Err == nil || !strings.Contains(second.Stderr, "running already") {
		t.Errorf("a second rebuild: %v\n%s%s", second.Err, second.Stdout, second.Stderr)
	}
	rebuild := c.replicas[1].AdminURL + "/admin/rebuild"
	if got := rig.Do(t, http.MethodPost, rebuild, []byte("{}")); !strings.Contains(string(got.Body), "running already") {
		t.Errorf("a second rebuild: %d: %s", got.Status, got.Body)
	}
	close(release)
	if c := <-first; c.Err != nil {
		t.Errorf("the first rebuild: %v\n%s%s", c.Err, c.Stdout, c.Stderr)
	}
	for _, replica := range c.replicas {
		if listed := c.listed(t, replica); len(listed) != 1 || listed[0] != m.Digest() {
			t.Errorf("listed %v", listed)
		}
	}
	backup := rig.Do(t, http.MethodGet, c.replicas[0].AdminURL+"/admin/backup", nil).Want(t, http.StatusNotImplemented)
	if !strings.Contains(string(backup.Body), "pg_dump") {
		t.Errorf("backup: %s", backup.Body)
	}
}
