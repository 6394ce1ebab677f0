package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// A database with a synchronous standby, two backrefs that know both hosts, and
// clients who push referrers of a subject of their own through one replica and
// list them through the other, without a pause.
type failover struct {
	pair     *rig.PostgresPair
	replicas []*rig.Backref

	pushes, listings answers
	ended            chan struct{}
	clients          sync.WaitGroup
	once             sync.Once
	// all are those that were acknowledged, by subject.
	mutex sync.Mutex
	all   map[digest.Digest][]digest.Digest
}

const failoverClients = 16

func newFailover(t *testing.T, durability string) *failover {
	t.Helper()
	registry := rig.NewRegistry(t, rig.Distribution2)
	f := &failover{pair: rig.NewPostgresPair(t), ended: make(chan struct{}), all: map[digest.Digest][]digest.Digest{}}
	for range 2 {
		f.replicas = append(f.replicas, rig.NewReplicaAt(t, registry.URL, f.pair.URL,
			"--set", "index.postgres.durability="+durability, "--set", "index.postgres.timeout=2s"))
	}
	rig.PushBlob(t, registry.URL, "app", rig.Empty)
	t.Cleanup(f.end)
	for client := range failoverClients {
		subject := rig.Image(fmt.Sprint("subject ", client))
		rig.Push(t, f.replicas[0].URL, "app", "", subject).Want(t, http.StatusCreated)
		f.clients.Go(func() { f.client(t, client, subject) })
	}
	return f
}

// client pushes and lists until the end.
func (f *failover) client(t *testing.T, client int, subject rig.Manifest) {
	here, there := f.replicas[client%2].URL, f.replicas[(client+1)%2].URL
	var acknowledged []digest.Digest
	defer func() {
		f.mutex.Lock()
		defer f.mutex.Unlock()
		f.all[subject.Digest()] = acknowledged
	}()
	for i := 0; ; i++ {
		select {
		case <-f.ended:
			return
		default:
		}
		m := rig.Artifact("application/vnd.example.x", fmt.Sprint(client, "-", i), subject.Descriptor())
		reply, err := rig.Send(t, http.MethodPut, here+"/v2/app/manifests/"+m.Digest().String(), m.Bytes(), "Content-Type", m.MediaType)
		if t.Context().Err() != nil {
			return
		}
		if f.pushes.note(t, reply, err, http.StatusCreated) {
			acknowledged = append(acknowledged, m.Digest())
		}
		reply, err = rig.Send(t, http.MethodGet, there+"/v2/app/referrers/"+subject.Digest().String(), nil)
		if t.Context().Err() != nil {
			return
		}
		if f.listings.note(t, reply, err, http.StatusOK) {
			wantAll(t, reply, acknowledged)
		}
	}
}

// wantAll fails the test where a listing lacks what was acknowledged before.
func wantAll(t *testing.T, reply rig.Reply, acknowledged []digest.Digest) {
	var list struct{ Manifests []rig.Descriptor }
	if err := json.Unmarshal(reply.Body, &list); err != nil {
		t.Errorf("%v: %s", err, reply.Body)
		return
	}
	there := map[digest.Digest]bool{}
	for _, entry := range list.Manifests {
		there[entry.Digest] = true
	}
	for _, d := range acknowledged {
		if !there[d] && reply.Header.Get("Link") == "" {
			t.Errorf("%s was acknowledged and is not listed among %d", d, len(there))
		}
	}
}

func (f *failover) end() {
	f.once.Do(func() { close(f.ended) })
	f.clients.Wait()
}

// wantNothingLost ends the clients and fails the test where a replica lacks
// something.
func (f *failover) wantNothingLost(t *testing.T, what string) {
	t.Helper()
	f.end()
	count, lost := 0, 0
	for subject, acknowledged := range f.all {
		count += len(acknowledged)
		for _, replica := range f.replicas {
			there := map[digest.Digest]bool{}
			for _, entry := range rig.Listing(t, replica.URL, "app", subject) {
				there[entry.Digest] = true
			}
			for _, d := range acknowledged {
				if !there[d] {
					lost++
					t.Errorf("%s was acknowledged and is not listed", d)
				}
			}
		}
	}
	if f.pushes.refused == 0 {
		t.Error("no push was refused, so that nothing was tried")
	}
	rig.Report(t, fmt.Sprintf("%s: %d pushes acknowledged, %d lost, %d answered 503, no success for %s at most; %d listings, %d answered 503, no success for %s at most",
		what, count, lost, f.pushes.refused, f.pushes.gap.Round(time.Millisecond), f.listings.done, f.listings.refused, f.listings.gap.Round(time.Millisecond)))
}

// answers are what clients got.
type answers struct {
	mutex         sync.Mutex
	done, refused int
	last          time.Time
	gap           time.Duration
}

// note takes an answer, and tells whether it is a success. All others have to
// say when to come back.
func (s *answers) note(t *testing.T, reply rig.Reply, err error, want int) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch {
	case err != nil:
		t.Error(err)
	case reply.Status == want:
		now := time.Now()
		if s.done++; s.done > 1 {
			s.gap = max(s.gap, now.Sub(s.last))
		}
		s.last = now
		return true
	case reply.Status == http.StatusServiceUnavailable && reply.Header.Get("Retry-After") != "":
		s.refused++
	default:
		t.Errorf("status %d, header %v: %s", reply.Status, reply.Header, reply.Body)
	}
	return false
}

// count returns how many answers had the status.
func (s *answers) count(status int) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if status == http.StatusServiceUnavailable {
		return s.refused
	}
	return s.done
}

// goesOn waits until there have been so many more successes.
func (s *answers) goesOn(t *testing.T, more int) {
	t.Helper()
	begun := s.count(http.StatusOK)
	waitFor(t, "more successes", func() bool { return s.count(http.StatusOK) >= begun+more })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The primary is killed amid pushes and its standby takes its place. What was
// acknowledged is there, and nothing is acknowledged that the new one alone has.
func TestThePrimaryIsKilled(t *testing.T) {
	f := newFailover(t, "standby")
	// Of a subject that nobody pushes to any more.
	settled := rig.Image("settled")
	referrer := rig.Artifact("application/vnd.example.x", "settled", settled.Descriptor())
	rig.Push(t, f.replicas[0].URL, "app", "", referrer).Want(t, http.StatusCreated)
	f.pushes.goesOn(t, 100)
	must(t, f.pair.Primary.KillHard())
	must(t, f.pair.Promote())
	for _, replica := range f.replicas {
		eventuallyListed(t, replica.URL, settled, referrer)
	}
	// No standby is there yet.
	acknowledged := f.pushes.count(http.StatusCreated)
	refused := f.pushes.count(http.StatusServiceUnavailable)
	waitFor(t, "a push of every client to be refused", func() bool { return f.pushes.count(http.StatusServiceUnavailable) >= refused+failoverClients })
	if more := f.pushes.count(http.StatusCreated) - acknowledged; more > 0 {
		t.Errorf("%d pushes were acknowledged without a standby", more)
	}
	must(t, f.pair.Rejoin())
	f.pushes.goesOn(t, 50)
	f.wantNothingLost(t, "The primary is killed")
}

// eventuallyListed waits until there is an answer, which has to be right.
func eventuallyListed(t *testing.T, base string, subject, referrer rig.Manifest) {
	t.Helper()
	var reply rig.Reply
	waitFor(t, "a listing", func() bool {
		var err error
		reply, err = rig.Send(t, http.MethodGet, base+"/v2/app/referrers/"+subject.Digest().String(), nil)
		must(t, err)
		return reply.Status != http.StatusServiceUnavailable
	})
	wantAll(t, reply.Want(t, http.StatusOK), []digest.Digest{referrer.Digest()})
}

// The primary hangs, its standby takes its place, and the old one goes on as if
// nothing had been: it takes itself for the primary. Nobody uses it any more.
func TestThePrimaryHangsAndComesBack(t *testing.T) {
	f := newFailover(t, "local")
	f.pushes.goesOn(t, 100)
	old := f.pair.Primary
	must(t, old.Freeze())
	must(t, f.pair.Promote())
	// As what runs such servers does when one is left.
	must(t, f.pair.Primary.Set(`ALTER SYSTEM SET synchronous_standby_names = ''`))
	f.pushes.goesOn(t, 50)
	f.listings.goesOn(t, 50)
	must(t, old.Thaw())
	// Without anybody to wait for, it would acknowledge what it is told.
	must(t, old.Set(`ALTER SYSTEM SET synchronous_standby_names = ''`))
	f.pushes.goesOn(t, 200)
	f.listings.goesOn(t, 200)
	f.wantNothingLost(t, "The primary hangs and comes back")
}
