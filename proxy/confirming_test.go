package proxy_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// heldStore is a store whose confirming takes until it is let go, and fails
// with what it is given then.
type heldStore struct {
	index.Store
	outcome chan error
}

func (s heldStore) Confirm(ctx context.Context, id index.IntentID, at time.Time) error {
	if err := <-s.outcome; err != nil {
		return err
	}
	return s.Store.Confirm(ctx, id, at)
}

// TestReadersWaitForWhatIsAcknowledged checks that a push is answered before
// its record is written, and listed all the same, even where that fails.
func TestReadersWaitForWhatIsAcknowledged(t *testing.T) {
	for name, outcome := range map[string]error{"written": nil, "not written": errors.New("the disk is full")} {
		t.Run(name, func(t *testing.T) {
			held := heldStore{newFixture(t).store, make(chan error)}
			f := newFixtureWith(t, held)
			subject := f.registry.put("app", image("subject"))
			signature := referrer("signature", subject)
			if got := f.push("app", signature); got.status != http.StatusCreated {
				t.Fatalf("status %d: %s", got.status, got.body)
			}
			listed := make(chan []digest.Digest)
			go func() { listed <- f.list("app", subject) }()
			select {
			case got := <-listed:
				t.Fatalf("the listing did not wait: %v", got)
			case <-time.After(50 * time.Millisecond):
			}
			held.outcome <- outcome
			if got, want := <-listed, sorted(signature); !slices.Equal(got, want) {
				t.Errorf("listed %v, want %v", got, want)
			}
		})
	}
}

// TestCloseWaitsForRecords checks that nothing is left to write when the store
// may be closed.
func TestCloseWaitsForRecords(t *testing.T) {
	held := heldStore{newFixture(t).store, make(chan error)}
	f := newFixtureWith(t, held)
	subject := f.registry.put("app", image("subject"))
	if got := f.push("app", referrer("signature", subject)); got.status != http.StatusCreated {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	closed := make(chan struct{})
	go func() { f.proxy.Close(); close(closed) }()
	select {
	case <-closed:
		t.Fatal("it did not wait")
	case <-time.After(50 * time.Millisecond):
	}
	held.outcome <- nil
	<-closed
}
