package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
)

// crowd is many clients that push, delete and query through a balancer until it
// is told to end.
type crowd struct {
	audit
	service *service
	stop    chan struct{}
	group   sync.WaitGroup
	once    sync.Once
}

// newCrowd pushes some subjects and starts the clients.
func newCrowd(t *testing.T, clients int, seed uint64, base, upstream string) *crowd {
	t.Helper()
	c := &crowd{audit: audit{t: t, model: &model{}, base: base, upstream: upstream}, service: newService(), stop: make(chan struct{})}
	rig.PushBlob(t, base, "app", rig.Empty)
	for i := range presentSubjects {
		subject := rig.Image(fmt.Sprint("subject ", i))
		rig.Push(t, base, "app", fmt.Sprint("v", i), subject).Want(t, http.StatusCreated)
		c.subjects = append(c.subjects, subject.Descriptor())
	}
	for i := range clients {
		someone := &client{
			t: t, base: base, model: c.model, subjects: c.subjects, service: c.service,
			random: rand.New(rand.NewPCG(seed, uint64(i))),
		}
		someone.ownReferrers(fmt.Sprint(i), 2)
		c.group.Go(func() { someone.run(c.stop) })
	}
	t.Cleanup(c.end)
	return c
}

// end ends the clients, with what they have under way.
func (c *crowd) end() {
	c.once.Do(func() { close(c.stop) })
	c.group.Wait()
}

// works waits until the clients have done so much more of each.
func (c *crowd) works(n int) {
	c.t.Helper()
	pushed, deleted, queries := c.model.done()
	waitFor(c.t, "the clients to work", func() bool {
		p, d, q := c.model.done()
		return p >= pushed+n && d >= deleted+n/2 && q >= queries+n || c.model.failed()
	})
}

// wantFlawless fails the test where clients were told, or shown, what is not so.
func (c *crowd) wantFlawless() {
	c.t.Helper()
	for _, problem := range c.model.problems {
		c.t.Error(problem)
	}
	if c.model.short+c.model.ghosts+c.lost > 0 {
		c.t.Errorf("%d short lists, %d with what was deleted, %d lost", c.model.short, c.model.ghosts, c.lost)
	}
}

// summary is what came of it.
func (c *crowd) summary() string {
	m := c.model
	return fmt.Sprintf("%d pushes acknowledged, %d deletes acknowledged, %d requests of unknown outcome, %d queries answered and right, %d refused for now; lost %d, short lists %d, deleted but listed %d; %s",
		m.pushed, m.deleted, m.unclear, m.queries-m.short-m.ghosts, m.unanswered, c.lost, m.short, m.ghosts, c.service)
}

// leastSpell is from when on a time without any good answer counts as one
// without service. Many clients ask all the time.
const leastSpell = 250 * time.Millisecond

// service measures for how long nobody was served.
type service struct {
	mutex          sync.Mutex
	reads, changes spells
	// errors are the answers of 5xx, broken the requests without one.
	errors, broken int
	// said are some of these answers.
	said []string
}

// mostSaid bounds the answers that are kept.
const mostSaid = 5

// spells are the times without a good answer.
type spells struct {
	last           time.Time
	total, longest time.Duration
}

func newService() *service {
	return &service{reads: spells{last: time.Now()}, changes: spells{last: time.Now()}}
}

func (s *service) heard(method string, got rig.Reply, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch {
	case err != nil:
		s.broken++
		return
	case got.Status >= http.StatusInternalServerError:
		s.errors++
		if len(s.said) < mostSaid {
			s.said = append(s.said, fmt.Sprintf("%s %s: %d %q: %s", clock(), method, got.Status, got.Header.Get("Retry-After"), got.Body))
		}
		return
	}
	of := &s.changes
	if method == http.MethodGet {
		of = &s.reads
	}
	spell := time.Since(of.last)
	of.last = time.Now()
	if spell >= leastSpell {
		of.total += spell
		of.longest = max(of.longest, spell)
	}
}

// wantNoErrors fails the test where an answer was an error.
func (s *service) wantNoErrors(t *testing.T) {
	t.Helper()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.errors > 0 {
		t.Errorf("%d answers were errors: %q", s.errors, s.said)
	}
}

func (s *service) String() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	ms := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	return fmt.Sprintf("no query was served for %s (%s at most), no change for %s (%s at most); %d answers of 5xx, %d connections broken off",
		ms(s.reads.total), ms(s.reads.longest), ms(s.changes.total), ms(s.changes.longest), s.errors, s.broken)
}
