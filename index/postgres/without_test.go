package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/index/postgres"
)

// An index whose writers wait for a standby is opened, read and closed.
func TestAnIndexIsOpenedWhileWritersWait(t *testing.T) {
	server, store := lonely(t, 0, postgres.Options{Timeout: 500 * time.Millisecond})
	if err := push(t.Context(), store, numbered(1)); err == nil {
		t.Fatal("what no standby has was acknowledged")
	}
	eventually(t, server, commitWaits)
	other := mustOpen(t, postgres.Options{URL: server.URL, Timeout: 2 * time.Second})
	must(t, get(t.Context(), other, numbered(0)))
	must(t, other.Close())
}

// What is changed in a transaction of its own needs the standbys that were asked
// for, too.
func TestEachChangeAsksForStandbys(t *testing.T) {
	server, store := lonely(t, 0, postgres.Options{Timeout: 2 * time.Second})
	strict := mustOpen(t, postgres.Options{URL: server.URL, Durability: postgres.DurabilityStandby})
	must(t, server.Set(waitNoLonger))
	for {
		err := strict.SetUnheld(t.Context(), repo, numbered(0).Digest, true)
		if err != nil && strings.Contains(err.Error(), "synchronous_standby_names") {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		// The server has not read its settings again yet.
	}
	must(t, store.SetUnheld(t.Context(), repo, numbered(0).Digest, true))
	must(t, strict.Close())
}
