package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/postgres"
	"github.com/jackc/pgx/v5"
)

// reach is longer than any test waits.
const reach = 10 * time.Minute

const (
	noLease  = `SELECT NOT EXISTS (SELECT 1 FROM backref.leases)`
	anyLease = `SELECT EXISTS (SELECT 1 FROM backref.leases)`
)

// A tag whose taking waits for a standby for too long is nobody's when the
// standby is back.
func TestATagThatWasTakenTooLateIsFree(t *testing.T) {
	server, store := lonely(t, 0, postgres.Options{Timeout: 500 * time.Millisecond})
	if _, _, err := store.LockTag(t.Context(), repo, "v1", reach); err == nil {
		t.Fatal("a tag that no standby knows of was given")
	}
	eventually(t, server, commitWaits)
	must(t, server.Set(waitNoLonger))
	eventually(t, server, nothingWaits)
	eventually(t, server, noLease)
	_, release, err := store.LockTag(t.Context(), repo, "v1", reach)
	must(t, err)
	release()
}

// A store can be closed while it gives back what it may have taken.
func TestCloseEndsTheGivingBack(t *testing.T) {
	server, store := lonely(t, 0, postgres.Options{Timeout: 500 * time.Millisecond})
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			if _, _, err := store.LockTag(t.Context(), repo, numbered(i).Digest.Encoded(), reach); err == nil {
				t.Error("a tag that no standby knows of was given")
			}
		})
	}
	// Some are asked for, and given up, while it is being closed.
	eventually(t, server, commitWaits)
	other := mustOpen(t, postgres.Options{URL: server.URL, Timeout: 500 * time.Millisecond})
	for range 4 {
		group.Go(func() {
			if _, _, err := other.LockTag(t.Context(), repo, "v1", reach); err == nil {
				t.Error("a tag that no standby knows of was given")
			}
		})
	}
	closed := make(chan error, 1)
	go func() { closed <- other.Close() }()
	group.Wait()
	// Connections that are given up end with what they wait for.
	must(t, server.Set(waitNoLonger))
	must(t, <-closed)
}

// What gives a lease back is not missed after a failover, and does not wait for
// a standby.
func TestGivingBackWaitsForNoStandby(t *testing.T) {
	server, store := lonely(t, 0, postgres.Options{})
	must(t, server.Set(waitNoLonger))
	eventually(t, server, nothingWaits)
	_, releaseTag, err := store.LockTag(t.Context(), repo, "v1", reach)
	must(t, err)
	_, releaseRole, err := store.Hold(t.Context(), index.RoleBackground)
	must(t, err)
	eventually(t, server, anyLease)
	isolate(t, server)
	releaseTag()
	releaseRole()
	eventually(t, server, noLease)
}

// lockTags asks several stores at once for so many tags, of which no standby
// will know.
func lockTags(t *testing.T, stores []*postgres.Store, first, number int) {
	t.Helper()
	var group sync.WaitGroup
	for i := range number {
		group.Go(func() {
			if _, _, err := stores[i%len(stores)].LockTag(t.Context(), repo, numbered(first+i).Digest.Encoded(), reach); err == nil {
				t.Error("a tag that no standby knows of was given")
			}
		})
	}
	group.Wait()
}

// Without a standby few commits wait for it, whatever is asked for and by however
// many.
func TestFewLeasesWaitForAStandby(t *testing.T) {
	options := postgres.Options{Timeout: 500 * time.Millisecond, Connections: 8}
	server, store := lonely(t, 0, options)
	options.URL = server.URL
	stores := []*postgres.Store{store}
	for range 3 {
		other := mustOpen(t, options)
		stores = append(stores, other)
		t.Cleanup(func() {
			must(t, server.Set(waitNoLonger))
			must(t, other.Close())
		})
	}
	for round := range 3 {
		lockTags(t, stores, round*16, 16)
	}
	var waiting int
	must(t, connected(t, server.URL).QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`).Scan(&waiting))
	if waiting == 0 || waiting > postgres.LeaseLocks {
		t.Errorf("%d wait for a standby, want 1 to %d", waiting, postgres.LeaseLocks)
	}
}

// The leases that wait for a standby leave connections for who reads.
func TestLeasesLeaveConnections(t *testing.T) {
	_, store := lonely(t, 0, postgres.Options{Timeout: 500 * time.Millisecond, Connections: 4})
	for round := range 5 {
		lockTags(t, []*postgres.Store{store}, round*16, 16)
		must(t, get(t.Context(), store, numbered(0)))
	}
}

// A lease whose holder takes it for lost, and whose row is there, as after a
// failover, is free when what it was taken for is over, and not before.
func TestALostLeaseIsGivenBack(t *testing.T) {
	t.Parallel()
	options := newOptions()
	store := mustOpen(t, options)
	defer func() { must(t, store.Close()) }()
	held, release, err := store.LockTag(t.Context(), repo, "v1", reach)
	must(t, err)
	conn := connected(t, options.URL)
	leases := pgx.Identifier{options.Schema, "leases"}.Sanitize()
	_, err = conn.Exec(t.Context(), `UPDATE `+leases+` SET until = clock_timestamp()`)
	must(t, err)
	wantEnded(t, held)
	_, err = conn.Exec(t.Context(), `UPDATE `+leases+` SET until = clock_timestamp() + interval '1 hour'`)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := store.LockTag(ctx, repo, "v1", reach); err == nil {
		t.Error("a tag was given that another may write still")
	}
	release()
	release()
	waitFor(t, "the row is gone", func() bool {
		var there bool
		must(t, conn.QueryRow(t.Context(), `SELECT EXISTS (SELECT 1 FROM `+leases+` WHERE holder <> '')`).Scan(&there))
		return !there
	})
}

// The renewal of a lease that was taken late has time to be answered.
func TestALateLeaseIsRenewedInTime(t *testing.T) {
	for left, want := range map[time.Duration]time.Duration{
		12 * time.Second:      3 * time.Second,
		3 * time.Second:       1500 * time.Millisecond,
		time.Second:           500 * time.Millisecond,
		60 * time.Millisecond: 50 * time.Millisecond,
		20 * time.Millisecond: 20 * time.Millisecond,
		-time.Second:          -500 * time.Millisecond,
	} {
		if got := postgres.RenewIn(left); got != want {
			t.Errorf("with %s left it is renewed in %s, want %s", left, got, want)
		}
	}
}
