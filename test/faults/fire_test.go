package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
)

// The size of the run: RIG_FIRE makes it longer, and RIG_SEED repeats the
// choices of an earlier one.
const (
	defaultFire = 12 * time.Second
	fireClients = 64
	fireCalm    = 800 * time.Millisecond
)

// Three replicas behind nginx share an index in a database with a synchronous
// standby. While many clients push, delete and query, replicas are killed and
// replaced, and the database's primary is killed and its standby promoted. What
// was acknowledged is listed by every answer, and in the end by every replica.
func TestReplicasUnderFire(t *testing.T) {
	f := newFire(t)
	// Each at least once, however short the run is.
	for _, act := range []func(){f.kill, f.roll, f.failOver} {
		act()
		f.calm()
	}
	for time.Since(f.begun) < f.duration && !f.crowd.model.failed() {
		[]func(){f.kill, f.kill, f.roll, f.roll, f.failOver}[f.random.IntN(5)]()
		f.calm()
	}
	f.crowd.works(fireClients)
	f.crowd.end()
	for i, replica := range f.replicas {
		f.crowd.base = replica.URL
		f.crowd.compareWithRegistry(fmt.Sprint("through replica ", i))
	}
	f.crowd.wantFlawless()
	rig.Report(t, fmt.Sprintf("three replicas under fire (RIG_SEED=%d, %s, %d clients): %s; %d kills of replicas, %d replaced, %d failovers of the database",
		f.seed, time.Since(f.begun).Round(time.Second), fireClients, f.crowd.summary(), f.kills, f.rolls, f.failovers))
}

// fire is a run.
type fire struct {
	t        *testing.T
	seed     uint64
	random   *rand.Rand
	duration time.Duration
	begun    time.Time
	upstream string
	database *rig.PostgresPair
	replicas []*rig.Backref
	balancer *rig.Balancer
	crowd    *crowd

	kills, rolls, failovers int
}

func newFire(t *testing.T) *fire {
	t.Helper()
	f := &fire{t: t, seed: seed(t), duration: defaultFire}
	if text := os.Getenv("RIG_FIRE"); text != "" {
		var err error
		if f.duration, err = time.ParseDuration(text); err != nil {
			t.Fatalf("RIG_FIRE: %v", err)
		}
	}
	t.Logf("RIG_SEED=%d RIG_FIRE=%s", f.seed, f.duration)
	f.random = rand.New(rand.NewPCG(f.seed, 0))
	f.database = rig.NewPostgresPair(t)
	f.upstream = rig.NewRegistry(shownOnce{t}, rig.Distribution3).URL
	for range 3 {
		f.replicas = append(f.replicas, f.start())
	}
	f.balancer = rig.NewBalancer(t, f.urls()...)
	f.crowd = newCrowd(t, fireClients, f.seed, f.balancer.URL, f.upstream)
	f.begun = time.Now()
	return f
}

func (f *fire) start() *rig.Backref {
	return rig.NewReplicaAt(shownOnce{f.t}, f.upstream, f.database.URL, "--set", "index.postgres.durability=standby")
}

func (f *fire) urls() []string {
	var urls []string
	for _, replica := range f.replicas {
		urls = append(urls, replica.URL)
	}
	return urls
}

// calm lets the clients work for a while.
func (f *fire) calm() {
	time.Sleep(time.Duration(f.random.Int64N(int64(fireCalm))))
}

// kill kills a replica, whatever it is doing, and starts it again.
func (f *fire) kill() {
	replica := f.replicas[f.random.IntN(len(f.replicas))]
	replica.Kill()
	f.kills++
	f.calm()
	replica.Restart()
}

// roll drains a replica and starts another in its place.
func (f *fire) roll() {
	i := f.random.IntN(len(f.replicas))
	f.balancer.Turn(slices.Delete(f.urls(), i, i+1)...)
	f.replicas[i].Stop()
	f.rolls++
	f.replicas[i] = f.start()
	f.balancer.Turn(f.urls()...)
}

// failOver kills the primary, has the standby take its place, and gives that a
// new one.
func (f *fire) failOver() {
	f.t.Helper()
	f.failovers++
	for _, step := range []func() error{f.database.Primary.KillHard, f.database.Promote, f.database.Rejoin} {
		if err := step(); err != nil {
			f.t.Fatal(err)
		}
		f.calm()
	}
}
