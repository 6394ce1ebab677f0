package bolt_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
)

// chain is a subject whose only referrer is replaced again and again, as the writer
// that is killed has told.
type chain struct {
	// replaced is the link that was acknowledged last, -1 for none.
	replaced int
	// replacing says that the next one may have begun.
	replacing bool
}

func chainLink(name string, link int) index.Record {
	return someRecord(fmt.Sprint(name, " link ", link), "chain "+name)
}

// replaceOver pushes a referrer, and others in its place, and tells so.
func replaceOver(ctx context.Context, store *bolt.Store) error {
	name := strconv.FormatUint(rand.Uint64(), 10)
	for link := range 1 + rand.IntN(5) {
		intent := index.Intent{Kind: index.IntentPush, Record: chainLink(name, link), Deadline: time.Now().Add(time.Hour)}
		if link > 0 {
			intent.Replaces = []digest.Digest{chainLink(name, link-1).Digest}
		}
		if _, err := fmt.Printf("replacing %s %d\n", name, link); err != nil {
			return err
		}
		if err := replaceOnce(ctx, store, intent); err != nil {
			return err
		}
		if _, err := fmt.Printf("replaced %s %d\n", name, link); err != nil {
			return err
		}
	}
	return nil
}

// replaceOnce carries a push out that may be refused before, and confirms or settles
// it.
func replaceOnce(ctx context.Context, store *bolt.Store, intent index.Intent) error {
	id, err := store.Begin(ctx, intent)
	if err != nil {
		return err
	}
	switch rand.IntN(3) {
	case 0:
		if err := store.Cancel(ctx, id); err != nil {
			return err
		}
		return replaceOnce(ctx, store, intent)
	case 1:
		mark, err := store.Mark(ctx)
		if err != nil {
			return err
		}
		return store.Settle(ctx, id, index.Finding{Mark: mark, At: intent.Deadline.Add(1), Present: true})
	default:
		return store.Confirm(ctx, id, time.Now())
	}
}

// noteChain takes what a writer tells of a chain.
func (l *ledger) noteChain(event, name, text string) error {
	link, err := strconv.Atoi(text)
	l.chains[name] = chain{replaced: link}
	if event == "replacing" {
		l.chains[name] = chain{replaced: link - 1, replacing: true}
	}
	return err
}

// checkChains checks that of each chain one link is listed, old or new and never
// both, and that the removals of those before it are open.
func (l *ledger) checkChains(t *testing.T, store *bolt.Store) {
	t.Helper()
	removals, err := store.Removals(t.Context(), repo, 0, 0)
	must(t, err)
	removing := make(map[digest.Digest]bool, len(removals))
	for _, removal := range removals {
		removing[removal.Record.Digest] = removal.TookAway()
	}
	for name, c := range l.chains {
		page, err := store.Referrers(t.Context(), repo, digest.FromString("chain "+name), index.Query{})
		must(t, err)
		var listed []digest.Digest
		for _, referrer := range page.Referrers {
			listed = append(listed, referrer.Digest)
		}
		at := c.replaced
		if next := chainLink(name, at+1).Digest; c.replacing && slices.Contains(listed, next) {
			at++
		}
		if at < 0 && len(listed) == 0 {
			continue
		}
		if len(listed) != 1 || listed[0] != chainLink(name, at).Digest {
			t.Fatalf("%d of a chain are listed after link %d, replacing %t", len(listed), c.replaced, c.replacing)
		}
		for before := range at {
			if !removing[chainLink(name, before).Digest] {
				t.Fatalf("link %d of a chain that is at %d is not to be removed", before, at)
			}
		}
	}
}
