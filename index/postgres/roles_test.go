package postgres_test

import (
	"context"
	"errors"
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

func TestARoleIsLostWithItsConnection(t *testing.T) {
	options := newOptions()
	store := mustOpen(t, options)
	defer func() { must(t, store.Close()) }()
	held, release, err := store.Hold(t.Context(), index.RoleBackground)
	must(t, err)
	defer release()
	conn := connected(t, options.URL)
	_, err = conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted`)
	must(t, err)
	select {
	case <-held.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("nobody has noticed")
	}
}
