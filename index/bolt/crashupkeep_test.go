package bolt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/opencontainers/go-digest"
)

// crashSubject is what a manifest of the writer that is killed refers to.
func crashSubject(what string) string { return "subject " + what[len(what)-1:] }

func crashSubjects() []digest.Digest {
	var subjects []digest.Digest
	for last := range 10 {
		subjects = append(subjects, digest.FromString(crashSubject(fmt.Sprint(last))))
	}
	return subjects
}

// rebuildFromLive makes a rebuild that takes the live records for what the
// registry has, and goes on behind its checkpoint with one that was killed.
func rebuildFromLive(ctx context.Context, store *bolt.Store) error {
	checkpoint, err := store.BeginRebuild(ctx)
	if err != nil {
		return err
	}
	var after index.Key
	if checkpoint != nil {
		if err := json.Unmarshal(checkpoint, &after); err != nil {
			return err
		}
	}
	for {
		records, scanned, err := store.Unfilled(ctx, after, 20)
		if err != nil {
			return err
		}
		for _, record := range records {
			if err := copyLive(ctx, store, after, record.Key()); err != nil {
				return err
			}
			after = record.Key()
		}
		if after = scanned; after == (index.Key{}) {
			break
		}
	}
	if err := store.FinishRebuild(ctx); err != nil {
		return err
	}
	_, err = fmt.Println("swapped - -")
	return err
}

// copyLive fills a record as long as it is live, and saves as the checkpoint up
// to where the ones before it are filled.
func copyLive(ctx context.Context, store *bolt.Store, done, key index.Key) error {
	checkpoint, err := json.Marshal(done)
	if err != nil {
		return err
	}
	for {
		mark, err := store.Mark(ctx)
		if err != nil {
			return err
		}
		record, err := store.Get(ctx, key.Repository, key.Digest)
		if errors.Is(err, index.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := store.Fill(ctx, mark, checkpoint, record); !errors.Is(err, index.ErrStale) {
			return err
		}
	}
}

// mirrorChanges writes down the listings that have changed.
func mirrorChanges(ctx context.Context, store *bolt.Store) error {
	changes, err := store.Changed(ctx, 0, 20)
	if err != nil {
		return err
	}
	for _, change := range changes {
		shown, err := listingText(ctx, store, change.Subject)
		if err != nil {
			return err
		}
		if _, err := fmt.Printf("mirrored %s %s\n", change.Subject, shown); err != nil {
			return err
		}
		if err := store.Written(ctx, change); err != nil {
			return err
		}
	}
	if len(changes) == 0 {
		time.Sleep(time.Millisecond)
	}
	return nil
}

// listingText returns a word for what a listing shows.
func listingText(ctx context.Context, store *bolt.Store, subject digest.Digest) (string, error) {
	page, err := store.Referrers(ctx, repo, subject, index.Query{})
	if err != nil {
		return "", err
	}
	hash := digest.SHA256.Digester()
	for _, referrer := range page.Referrers {
		if _, err := fmt.Fprintln(hash.Hash(), referrer.Digest); err != nil {
			return "", err
		}
	}
	return hash.Digest().Encoded(), nil
}

// checkMirror checks that a listing is the one that was written down, or is in
// the outbox.
func (l *ledger) checkMirror(t *testing.T, store *bolt.Store) {
	t.Helper()
	changes, err := store.Changed(t.Context(), 0, 1000)
	must(t, err)
	due := make(map[digest.Digest]bool)
	for _, change := range changes {
		due[change.Subject] = true
	}
	for _, subject := range crashSubjects() {
		shown, err := listingText(t.Context(), store, subject)
		must(t, err)
		written, was := l.mirrored[subject]
		if !was {
			written = digest.SHA256.FromString("").Encoded()
		}
		if !due[subject] && shown != written {
			t.Fatalf("the listing of %s has changed and is not in the outbox", subject)
		}
	}
}
