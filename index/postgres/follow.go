package postgres

import (
	"context"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
)

// following is what a process knows of the changes of all: how far it has read the
// table of touches, and the versions that follow from that. The zero value is not
// usable.
type following struct {
	question sharedQuestion[struct{}]
	versions *index.Versions
	// last is what was read last, and server what it was read from: they belong to
	// whoever asks. The number is 0 where nothing was read.
	last   touch
	server server
}

// touch is the number of a transaction that has changed listings, and what tells it
// from another to which a server that took the place of the first has given the
// same number.
type touch struct {
	number int64
	nonce  [16]byte
}

// selectTouches begins with the one that was read last: if that is there no more,
// too much was missed, or another server has another history.
const selectTouches = `SELECT number, nonce, listings FROM touches WHERE number >= $1 ORDER BY number`

// selectLastTouch is for who has read none.
const selectLastTouch = `SELECT number, nonce, NULL::bigint[] FROM touches ORDER BY number DESC LIMIT 1`

// Version implements [index.Versioner].
func (s *Store) Version(repository, referrersTag string) uint64 {
	return s.following.versions.OfNumber(uint64(listingNumber(repository, referrersTag))) //nolint:gosec // The bits are meant.
}

// CatchUp implements [index.Follower]. It is one question to the database, which
// those who come while another is asked share.
func (s *Store) CatchUp(ctx context.Context) error {
	_, err := s.following.question.answer(ctx, func() (struct{}, error) {
		err := s.read(context.Background(), s.follow)
		if err != nil {
			err = fmt.Errorf("read which listings have changed: %w", err)
		}
		return struct{}{}, err
	})
	return err
}

// follow reads what has changed since the last time. Where that can't be told,
// everything has: which is counted once it is known where to go on, so that nothing
// that was made before is taken for something that was made after.
func (s *Store) follow(ctx context.Context) error {
	f := &s.following
	// A server that takes the place of another may lack what that one has shown.
	if at := s.servers.present(); at != f.server {
		f.server, f.last = at, touch{}
	}
	if f.last.number > 0 {
		if found, err := s.readTouches(ctx, selectTouches, f.last.number); found || err != nil {
			return err
		}
		f.last = touch{}
	}
	found, err := s.readTouches(ctx, selectLastTouch)
	if err == nil && !found {
		err = fmt.Errorf("%w: no touches", index.ErrDamaged)
	}
	f.versions.AllChanged()
	return err
}

// readTouches counts what has changed, and reports whether what was read last is
// still the beginning. Numbers follow each other without a gap: where some lack,
// what they touched is not known.
func (s *Store) readTouches(ctx context.Context, sql string, args ...any) (found bool, err error) {
	f := &s.following
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return false, err
	}
	var next touch
	var listings []int64
	newest := f.last
	_, err = pgx.ForEachRow(rows, []any{&next.number, &next.nonce, &listings}, func() error {
		switch {
		case f.last.number == 0, next == f.last:
			found = true
		case found && (listings == nil || next.number != newest.number+1):
			f.versions.AllChanged()
		case found:
			for _, listing := range listings {
				f.versions.NumberChanged(uint64(listing)) //nolint:gosec // The bits are meant.
			}
		}
		newest = next
		return nil
	})
	if err == nil && found {
		f.last = newest
	}
	return found, err
}
