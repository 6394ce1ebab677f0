package reconcile

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// notesPage is how many entries of a journal are read at once.
const notesPage = 500

// askForSubjects asks the registry for the subjects that rules want to know of, notes
// those that are found gone for the first time, and drops the notes of those that are
// there again. A subject counts as gone when it was found so twice, MissingTwice
// apart, with nobody having found it in between.
func (r *retaining) askForSubjects(ctx context.Context, repository string, l *look) error {
	notes, err := r.readNotes(ctx, repository)
	if err != nil {
		return err
	}
	subjects := slices.Collect(l.graph.Subjects())
	missing, _, err := r.missing(ctx, repository, subjects, map[digest.Digest]bool{})
	if err != nil {
		return err
	}
	now := r.Source.now()
	var fresh []index.JournalEntry
	for _, subject := range missing {
		l.gone[subject] = true
		since, noted := notes[index.GoneKey(repository, subject)]
		if !noted {
			fresh = append(fresh, index.GoneEntry(repository, subject, now))
		} else if now.Sub(since) >= r.MissingTwice {
			l.graph.Gone(subject, since)
		}
		delete(notes, index.GoneKey(repository, subject))
	}
	for page := range slices.Chunk(fresh, notesPage) {
		if err := r.Store.WriteJournal(ctx, index.BookGone, page...); err != nil {
			return err
		}
	}
	return r.dropPresent(ctx, repository, subjects, notes)
}

// dropPresent drops the notes that are left of subjects which were asked for.
func (r *retaining) dropPresent(ctx context.Context, repository string, subjects []digest.Digest, notes map[string]time.Time) error {
	var stale []string
	for _, subject := range subjects {
		if key := index.GoneKey(repository, subject); !notes[key].IsZero() {
			stale = append(stale, key)
		}
	}
	if len(stale) == 0 {
		return nil
	}
	return r.Store.DropJournal(ctx, index.BookGone, stale...)
}

// readNotes returns since when manifests of a repository have been gone, by the keys
// of the notes.
func (r *retaining) readNotes(ctx context.Context, repository string) (map[string]time.Time, error) {
	notes, prefix := map[string]time.Time{}, repository+"@"
	for after := prefix; ; {
		page, err := r.Store.ReadJournal(ctx, index.BookGone, after, notesPage)
		if err != nil {
			return nil, err
		}
		for _, entry := range page {
			if !strings.HasPrefix(entry.Key, prefix) {
				return notes, nil
			}
			since, err := index.GoneSince(entry)
			if err != nil {
				return nil, err
			}
			notes[entry.Key], after = since, entry.Key
		}
		if len(page) < notesPage {
			return notes, nil
		}
	}
}

// sweepNotes drops the notes of what the index knows neither as a subject nor as a
// manifest any more.
func (r *retaining) sweepNotes(ctx context.Context) error {
	for after := ""; ; {
		page, err := r.Store.ReadJournal(ctx, index.BookGone, after, notesPage)
		if err != nil {
			return err
		}
		var idle []string
		for _, entry := range page {
			after = entry.Key
			known, err := r.known(ctx, entry.Key)
			if err != nil {
				return err
			}
			if !known {
				idle = append(idle, entry.Key)
			}
		}
		if len(idle) > 0 {
			if err := r.Store.DropJournal(ctx, index.BookGone, idle...); err != nil {
				return err
			}
		}
		if len(page) < notesPage {
			return nil
		}
	}
}

// known tells whether what a note is about is a subject, or a manifest that the index
// has.
func (r *retaining) known(ctx context.Context, key string) (bool, error) {
	repository, manifest, _ := strings.Cut(key, "@")
	referrers, err := r.Store.Referrers(ctx, repository, digest.Digest(manifest), index.Query{Limit: 1})
	if err != nil || len(referrers.Referrers) > 0 {
		return true, err
	}
	_, err = r.Store.Get(ctx, repository, digest.Digest(manifest))
	if errors.Is(err, index.ErrNotFound) {
		return false, nil
	}
	return true, err
}
