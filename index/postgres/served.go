package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backref/backref/index"
	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"
)

var _ index.Listings = (*Store)(nil)

// lockServed is held by whoever writes what was served, so that its bound
// holds.
const lockServed = "served"

// SaveListing implements [index.Listings].
func (s *Store) SaveListing(ctx context.Context, listing index.ServedListing, now time.Time, most int64) error {
	key, err := listingKey(listing)
	if err == nil {
		err = s.read(ctx, func(ctx context.Context) error {
			// What is sent together is one transaction.
			batch := &pgx.Batch{}
			batch.Queue(lockSQL, s.lockKey(lockServed))
			batch.Queue(`INSERT INTO served (repository, digest, tag, until, body) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (repository, digest) DO UPDATE SET until = excluded.until, tag = excluded.tag WHERE served.until < excluded.until`,
				key.repository, []byte(key.about), listing.Tag, listing.Until.UnixNano(), listing.Body)
			batch.Queue(`DELETE FROM served WHERE until <= $1`, now.UnixNano())
			batch.Queue(dropServed, index.ListingOverhead, most)
			return s.pool.SendBatch(ctx, batch).Close()
		})
	}
	if err != nil {
		return fmt.Errorf("keep listing %s of %s: %w", listing.Digest, listing.Repository, err)
	}
	return nil
}

// dropServed drops, of those that end first, what is too much.
const dropServed = `DELETE FROM served WHERE (repository, digest) IN (
	SELECT repository, digest FROM (
		SELECT repository, digest, sum(octet_length(body) + $1::bigint) OVER (ORDER BY until DESC, repository DESC, digest DESC) AS together
		FROM served) AS all_served
	WHERE together > $2::bigint)`

// listingKey returns the key of a listing, and refuses what is none.
func listingKey(listing index.ServedListing) (matterKey, error) {
	if err := checkName("tag", listing.Tag); err != nil {
		return matterKey{}, err
	}
	if nanos := listing.Until.UnixNano(); nanos < 0 || !time.Unix(0, nanos).Equal(listing.Until) {
		return matterKey{}, fmt.Errorf("%w: a listing until %s", index.ErrInvalid, listing.Until)
	}
	return manifestKey(listing.Repository, listing.Digest)
}

// Listing implements [index.Listings].
func (s *Store) Listing(ctx context.Context, repository string, name digest.Digest, now time.Time) (index.ServedListing, error) {
	listing := index.ServedListing{Repository: repository, Digest: name}
	key, err := manifestKey(repository, name)
	if err == nil {
		err = s.read(ctx, func(ctx context.Context) error {
			var until int64
			err := s.pool.QueryRow(ctx, `SELECT tag, until, body FROM served WHERE repository = $1 AND digest = $2 AND until > $3`,
				key.repository, []byte(key.about), now.UnixNano()).Scan(&listing.Tag, &until, &listing.Body)
			if errors.Is(err, pgx.ErrNoRows) {
				return index.ErrNotFound
			}
			listing.Until = time.Unix(0, until).UTC()
			return err
		})
	}
	if err != nil {
		return index.ServedListing{}, fmt.Errorf("get listing %s of %s: %w", name, repository, err)
	}
	return listing, nil
}
