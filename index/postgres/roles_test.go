package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
)

// connected returns a connection to the database of the tests.
func connected(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestOneProcessHasARole(t *testing.T) {
	options := newOptions()
	one, other := mustOpen(t, options), mustOpen(t, options)
	defer func() { must(t, errors.Join(one.Close(), other.Close())) }()
	held, release, err := one.Hold(t.Context(), index.RoleBackground)
	must(t, err)
	if _, _, err := other.Hold(t.Context(), index.RoleBackground); !errors.Is(err, index.ErrInUse) {
		t.Fatalf("a role was taken twice: %v", err)
	}
	// Another role, and the same one in another schema, are free.
	_, releaseOther, err := other.Hold(t.Context(), index.RoleMaintenance)
	must(t, err)
	defer releaseOther()
	elsewhere := mustOpen(t, newOptions())
	defer func() { must(t, elsewhere.Close()) }()
	_, releaseElsewhere, err := elsewhere.Hold(t.Context(), index.RoleBackground)
	must(t, err)
	defer releaseElsewhere()

	if held.Err() != nil {
		t.Fatal("the role was lost")
	}
	release()
	if held.Err() == nil {
		t.Fatal("the role is held although it was released")
	}
	_, releaseAgain, err := other.Hold(t.Context(), index.RoleBackground)
	must(t, err)
	releaseAgain()
}

// A role that another process has got, or whose row is gone, is lost.
func TestARoleIsLostWithItsLease(t *testing.T) {
	for name, steal := range map[string]string{
		"taken": `UPDATE %s SET holder = 'other'`, "over": `UPDATE %s SET until = clock_timestamp()`, "gone": `DELETE FROM %s`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := newOptions()
			store := mustOpen(t, options)
			defer func() { must(t, store.Close()) }()
			held, release, err := store.Hold(t.Context(), index.RoleBackground)
			must(t, err)
			defer release()
			_, err = connected(t, options.URL).Exec(t.Context(), fmt.Sprintf(steal, pgx.Identifier{options.Schema, "leases"}.Sanitize()))
			must(t, err)
			wantEnded(t, held)
		})
	}
}

// Whoever can't reach the database loses the role before it is free for others,
// and it is free then.
func TestARoleIsLostBeforeAnotherHasIt(t *testing.T) {
	t.Parallel()
	options := newOptions()
	relay := newRelay(t, options.URL)
	cut := options
	cut.URL = relay.url
	one, other := mustOpen(t, cut), mustOpen(t, options)
	defer func() { must(t, errors.Join(one.Close(), other.Close())) }()
	held, release, err := one.Hold(t.Context(), index.RoleBackground)
	must(t, err)
	defer release()
	relay.cut()
	waitFor(t, "the role is free", func() bool {
		_, releaseOther, err := other.Hold(t.Context(), index.RoleBackground)
		if err == nil {
			releaseOther()
		} else if !errors.Is(err, index.ErrInUse) {
			t.Fatal(err)
		}
		return err == nil
	})
	if held.Err() == nil {
		t.Error("two have the role")
	}
}

// What a role is renewed for goes on for longer than the lease was taken for.
func TestARoleIsRenewed(t *testing.T) {
	t.Parallel()
	options := newOptions()
	store := mustOpen(t, options)
	defer func() { must(t, store.Close()) }()
	held, release, err := store.Hold(t.Context(), index.RoleBackground)
	must(t, err)
	defer release()
	conn := connected(t, options.URL)
	leases := pgx.Identifier{options.Schema, "leases"}.Sanitize()
	var first, until time.Time
	must(t, conn.QueryRow(t.Context(), `SELECT until FROM `+leases).Scan(&first))
	waitFor(t, "renewed", func() bool {
		must(t, conn.QueryRow(t.Context(), `SELECT until FROM `+leases).Scan(&until))
		return until.After(first)
	})
	if held.Err() != nil {
		t.Error("the role is lost")
	}
}

func wantEnded(t *testing.T, held context.Context) {
	t.Helper()
	select {
	case <-held.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("nobody has noticed")
	}
}
