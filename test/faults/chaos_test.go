package faults

import (
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
)

// The size of a run. RIG_CHAOS_KILLS makes it longer and RIG_SEED repeats the
// choices of an earlier one.
const (
	defaultKills     = 15
	chaosClients     = 8
	ownedPerSubject  = 6 // by each client
	presentSubjects  = 4
	longestCalm      = 3 * time.Second
	patienceForKills = time.Second
)

// Many clients push, delete and query while backref and the registry are
// killed and the way between them fails, all at random instants. Every answer
// to a query is held against what the clients know, and what is listed in the
// end against the registry.
func TestRandomFaults(t *testing.T) {
	c := newChaos(t)
	for c.backrefKills < c.wanted && !c.model.failed() {
		c.misbehave()
		c.pause(longestCalm)
		switch c.random.IntN(4) {
		case 0:
			c.killRegistry()
		default:
			c.killBackref()
		}
	}
	c.calm()
	c.mend()
	c.compareWithRegistry("after the last fault")
	c.backref.Restart()
	c.compareWithRegistry("after one more kill")
	c.report()
}

// chaos is a run: the programs, the clients and what is done to them.
type chaos struct {
	audit
	seed     uint64
	wanted   int
	random   *rand.Rand
	registry *rig.Registry
	backref  *rig.Backref
	relay    *rig.Relay
	mischief *mischief
	stop     chan struct{}
	clients  sync.WaitGroup
	started  time.Time

	backrefKills, registryKills int
}

func newChaos(t *testing.T) *chaos {
	c := &chaos{audit: audit{t: t, model: &model{}}, seed: seed(t), wanted: kills(t), stop: make(chan struct{}), started: time.Now()}
	t.Logf("RIG_SEED=%d RIG_CHAOS_KILLS=%d", c.seed, c.wanted)
	c.random = rand.New(rand.NewPCG(c.seed, 0))
	log.SetOutput(io.Discard) // The relay says what it is made to do.
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	quiet := shownOnce{t}
	c.registry = rig.NewRegistry(quiet, rig.Distribution2)
	c.relay = rig.NewRelay(t, c.registry.URL)
	c.backref = rig.NewBackref(quiet, c.relay.URL,
		"--set", "upstream.timeouts.connect=1s", "--set", "upstream.timeouts.query=1s",
		"--set", "upstream.timeouts.responseHeader="+upstreamTimeout.String(), "--set", "upstream.timeouts.grace=5s",
		"--set", "permissions.cacheTTL=1s", "--set", "referrers.recheckTag=1s", "--set", "referrers.recheckNative=2s")
	c.base, c.upstream = c.backref.URL, c.registry.URL
	c.mischief = &mischief{registry: c.registry.URL, random: rand.New(rand.NewPCG(c.seed, 1)), counts: map[string]int{}}
	c.prepare()
	c.relay.Before(c.mischief.before)
	c.relay.After(c.mischief.after)
	return c
}

// prepare pushes the subjects but one, which the registry never has, and
// starts the clients.
func (c *chaos) prepare() {
	rig.PushBlob(c.t, c.backref.URL, "app", rig.Empty)
	for i := range presentSubjects {
		subject := rig.Image(fmt.Sprint("subject ", i))
		rig.Push(c.t, c.backref.URL, "app", fmt.Sprint("v", i), subject).Want(c.t, http.StatusCreated)
		c.subjects = append(c.subjects, subject.Descriptor())
	}
	c.subjects = append(c.subjects, rig.Image("missing").Descriptor())
	for i := range chaosClients {
		someone := &client{
			t: c.t, base: c.backref.URL, model: c.model, subjects: c.subjects,
			random: rand.New(rand.NewPCG(c.seed, uint64(2+i))),
		}
		someone.ownReferrers(fmt.Sprint(i), ownedPerSubject)
		c.clients.Go(func() { someone.run(c.stop) })
	}
	c.t.Cleanup(c.calm)
}

// misbehave chooses how the way to the registry fails for the next while.
func (c *chaos) misbehave() {
	kinds := faultKinds()
	if c.random.IntN(2) == 0 {
		kinds = []fault{kinds[c.random.IntN(len(kinds))]}
	}
	c.mischief.set([]float64{0, 0, 0.02, 0.1, 0.3}[c.random.IntN(5)], kinds...)
	c.relay.Seen() // forgets
}

func (c *chaos) pause(most time.Duration) {
	time.Sleep(time.Duration(c.random.Int64N(int64(most))))
}

// killBackref kills backref at any instant, or just before or after the
// registry acts.
func (c *chaos) killBackref() {
	if c.random.IntN(3) == 0 {
		c.backref.Kill()
	} else {
		method := []string{http.MethodPut, http.MethodDelete}[c.random.IntN(2)]
		c.mischief.at(method, c.random.IntN(2) == 0, patienceForKills, c.backref.Kill)
	}
	c.backrefKills++
	if strings.Contains(strings.Join(c.backref.Log(), "\n"), "WARNING: DATA RACE") {
		c.t.Errorf("backref has a data race:\n%s", strings.Join(c.backref.Log(), "\n"))
	}
	c.pause(200 * time.Millisecond)
	c.backref.Restart()
}

// killRegistry kills the registry; sometimes backref dies while it is away.
func (c *chaos) killRegistry() {
	c.registry.Kill()
	c.registryKills++
	c.pause(500 * time.Millisecond)
	if c.random.IntN(3) == 0 {
		c.killBackref()
	}
	c.registry.Restart()
}

// calm ends all faults and the clients.
func (c *chaos) calm() {
	c.mischief.set(0)
	select {
	case <-c.stop:
	default:
		close(c.stop)
	}
	c.clients.Wait()
	c.mischief.held.Wait()
}

func (c *chaos) report() {
	m := c.model
	for _, problem := range m.problems {
		c.t.Error(problem)
	}
	if m.pushed < c.wanted || m.deleted < c.wanted || m.queries < c.wanted {
		c.t.Error("too little was done for the run to say much")
	}
	other := 0
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(c.mischief.counts)) {
		other += c.mischief.counts[kind]
		kinds = append(kinds, fmt.Sprintf("%s: %d", kind, c.mischief.counts[kind]))
	}
	rig.Report(c.t, fmt.Sprintf(`random faults (RIG_SEED=%d, %s): %d pushes acknowledged, %d deletes acknowledged, %d requests of unknown outcome, %d queries answered and right, %d refused for now;
%d kills of backref, %d kills of the registry (%d manifests left half stored by it), %d other faults (%s); lost %d, short lists %d, deleted but listed %d`,
		c.seed, time.Since(c.started).Round(time.Second), m.pushed, m.deleted, m.unclear, m.queries-m.short-m.ghosts, m.unanswered,
		c.backrefKills, c.registryKills, c.halfStored, other, strings.Join(kinds, ", "), c.lost, m.short, m.ghosts))
	if c.t.Failed() {
		lines := c.backref.Log()
		c.t.Logf("the end of backref's log:\n%s", strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
}

// shownOnce keeps the logs of all the programs that were killed on purpose out
// of the output of a failed test.
type shownOnce struct{ testing.TB }

func (shownOnce) Failed() bool { return false }

func seed(t *testing.T) uint64 {
	text := os.Getenv("RIG_SEED")
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("RIG_SEED: %v", err)
	}
	return seed
}

func kills(t *testing.T) int {
	text := os.Getenv("RIG_CHAOS_KILLS")
	if text == "" {
		return defaultKills
	}
	kills, err := strconv.Atoi(text)
	if err != nil || kills < 1 {
		t.Fatalf("RIG_CHAOS_KILLS: need a whole number above 0, got %q", text)
	}
	return kills
}
