package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/backref/backref/test/rig"
)

// versionBefore is the version that an update replaces: RIG_OLDER names another
// commit.
const versionBefore = "832c9e7"

// An update, replica by replica, under load: both versions serve at once, on
// tables that the new one brings forward, and it can be taken back in between.
// No referrer is lost, no list is short, and nobody sees an error but on a
// connection that was ending.
func TestRollingUpdate(t *testing.T) {
	database := rig.NewPostgres(t, false)
	registry := rig.NewRegistry(t, rig.Distribution3)
	commit := os.Getenv("RIG_OLDER")
	if commit == "" {
		commit = versionBefore
	}
	older := rig.Older(t, commit)
	if older == "" {
		t.Logf("the checkout lacks %s: the version under test takes both parts, on the first tables that there were", commit)
		restore(t, database.URL, "postgres-1-a.sql")
		older = rig.Binary(t)
	}
	u := &update{t: t, older: older, database: database, upstream: registry.URL}
	for range 3 {
		u.replicas = append(u.replicas, u.start(false))
	}
	u.balancer = rig.NewBalancer(t, u.urls()...)
	u.crowd = newCrowd(t, 16, rand.Uint64(), u.balancer.URL, registry.URL)
	u.crowd.works(20)
	for _, change := range []struct {
		replica int
		newer   bool
	}{{0, true}, {1, true}, {0, false}, {2, true}, {0, true}} {
		u.replace(change.replica, change.newer)
	}
	u.crowd.end()
	u.crowd.compareWithRegistry("after the update")
	u.crowd.wantFlawless()
	u.crowd.service.wantNoErrors(t)
	rig.Report(t, "rolling update: "+u.crowd.summary())
}

// update replaces replicas, one after the other.
type update struct {
	t        *testing.T
	older    string
	database *rig.Postgres
	upstream string
	replicas []*rig.Backref
	balancer *rig.Balancer
	crowd    *crowd
}

func (u *update) start(newer bool) *rig.Backref {
	if newer {
		return rig.NewReplica(u.t, u.upstream, u.database)
	}
	return rig.NewOlderReplica(u.t, u.older, u.upstream, u.database)
}

func (u *update) urls() []string {
	var urls []string
	for _, replica := range u.replicas {
		urls = append(urls, replica.URL)
	}
	return urls
}

// replace drains a replica, stops it, and starts one in its place.
func (u *update) replace(i int, newer bool) {
	u.t.Helper()
	u.balancer.Turn(slices.Delete(u.urls(), i, i+1)...)
	u.replicas[i].Stop()
	u.crowd.works(5)
	u.replicas[i] = u.start(newer)
	u.balancer.Turn(u.urls()...)
	u.crowd.works(10)
}

// restore puts the tables of an earlier version into a database.
func restore(t *testing.T, url, dump string) {
	t.Helper()
	statements, err := os.ReadFile(filepath.Join(rig.Root(t), "index", "testdata", "formats", dump))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.PgConn().Exec(t.Context(), string(statements)).ReadAll()
	if err != nil {
		t.Fatal(fmt.Errorf("restore %s: %w", dump, err))
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
