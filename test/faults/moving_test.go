package faults

import (
	"errors"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// An index moves from a file to PostgreSQL while clients push, delete and query
// through a balancer: as docs/maintenance.md says, pushes and deletes go through
// a second backref for a while, which has the first as its registry. Nobody sees
// an error, and no list is short or shows what was deleted.
func TestTheIndexMovesToPostgres(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution3)
	file := rig.NewBackref(t, registry.URL)
	balancer := rig.NewBalancer(t, file.URL)
	c := newCrowd(t, 16, rand.Uint64(), balancer.URL, registry.URL)
	c.works(20)

	// What is pushed from now on is in both indexes.
	database := rig.NewPostgres(t, false)
	between := rig.NewReplica(t, file.URL, database)
	balancer.TurnWrites(between.URL)
	c.works(10)

	// What was pushed before comes after it, and what is deleted meanwhile not.
	said := between.Run(t, "index", "import", "--from", file.AdminURL)
	if strings.HasPrefix(said, "0 records") {
		t.Errorf("nothing was imported: %s", said)
	}
	c.works(10)

	replicas := []*rig.Backref{rig.NewReplica(t, registry.URL, database), rig.NewReplica(t, registry.URL, database)}
	urls := []string{replicas[0].URL, replicas[1].URL}
	balancer.TurnReads(urls...)
	c.works(20)
	balancer.TurnWrites(urls...)
	between.Stop()
	file.Stop()
	c.works(20)

	c.end()
	c.compareWithRegistry("after the move")
	c.wantFlawless()
	c.service.wantNoErrors(t)
	rig.Report(t, "move to PostgreSQL: "+strings.TrimSpace(said)+"; "+c.summary())
}

// Where a balancer can't tell requests apart the first backref pauses: what it
// has is brought over before, the rest in the pause, and what was deleted
// between the two is found in the end.
func TestTheIndexMovesInAPause(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution3)
	service := []string{"--set", "upstream.service.anonymous=true", "--set", "reconcile.missingTwice=0s"}
	file := rig.NewBackref(t, registry.URL, service...)
	c := newCrowd(t, 8, rand.Uint64(), file.URL, registry.URL)
	c.works(20)
	database := rig.NewPostgres(t, false)
	target := []string{"--set", "index.postgres.url=" + database.URL}
	pipe(t, rig.CommandLine(t, t.TempDir(), "index", "export", "--admin", file.AdminURL),
		rig.CommandLine(t, t.TempDir(), append([]string{"index", "import"}, target...)...))
	c.works(20)
	c.end()
	file.Stop()
	pipe(t, rig.CommandLine(t, t.TempDir(), "index", "export", "--index", file.Index),
		rig.CommandLine(t, t.TempDir(), append([]string{"index", "import"}, target...)...))
	replica := rig.NewReplica(t, registry.URL, database, service...)
	replica.Run(t, "index", "verify", "--fix")
	c.base = replica.URL
	c.compareWithRegistry("after the move")
	c.wantFlawless()
}

// pipe runs two commands, the second with the output of the first.
func pipe(t *testing.T, from, to *exec.Cmd) {
	t.Helper()
	out, err := from.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	to.Stdin = out
	if err := from.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := to.CombinedOutput()
	if err := errors.Join(err, from.Wait()); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
}
