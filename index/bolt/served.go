package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

var _ index.Listings = (*Store)(nil)

// SaveListing implements [index.Listings].
func (s *Store) SaveListing(ctx context.Context, listing index.ServedListing, now time.Time, most int64) error {
	key, err := listingKey(listing)
	if err == nil {
		err = s.change(ctx, func(w *writing) error { return w.saveListing(key, listing, now, most) })
	}
	if err != nil {
		return fmt.Errorf("keep listing %s of %s: %w", listing.Digest, listing.Repository, err)
	}
	return nil
}

// Listing implements [index.Listings].
func (s *Store) Listing(ctx context.Context, repository string, name digest.Digest, now time.Time) (index.ServedListing, error) {
	listing := index.ServedListing{Repository: repository, Digest: name}
	key, err := repositoryKey(repository, name)
	if err == nil {
		err = s.view(ctx, func(tx *bbolt.Tx) error {
			// An index of before has no such bucket.
			bucket := tx.Bucket([]byte(tableServed))
			if bucket == nil {
				return index.ErrNotFound
			}
			listings, err := openTable(bucket, tableListings)
			if err != nil {
				return err
			}
			value := listings.Get(key)
			if value == nil {
				return index.ErrNotFound
			}
			if listing.Until, listing.Tag, listing.Body, err = decodeListing(value); err != nil {
				return err
			}
			if !listing.Until.After(now) {
				return index.ErrNotFound
			}
			listing.Body = bytes.Clone(listing.Body)
			return nil
		})
	}
	if err != nil {
		return index.ServedListing{}, fmt.Errorf("get listing %s of %s: %w", name, repository, err)
	}
	return listing, nil
}

// listingKey returns the key of a listing, and refuses what is none.
func listingKey(listing index.ServedListing) ([]byte, error) {
	if err := checkName("tag", listing.Tag); err != nil {
		return nil, err
	}
	if nanos := listing.Until.UnixNano(); nanos < 0 || !time.Unix(0, nanos).Equal(listing.Until) {
		return nil, fmt.Errorf("%w: a listing until %s", index.ErrInvalid, listing.Until)
	}
	return repositoryKey(listing.Repository, listing.Digest)
}

// servedListings are the listings that were served under referrers tags.
type servedListings struct {
	// listings lead from repository and digest to what was served, ends from
	// until when it is kept, and that key, to its size.
	bucket, listings, ends *bbolt.Bucket
}

// openServed opens them, and makes the buckets where there are none.
func (w *writing) openServed() (s servedListings, err error) {
	if s.bucket = w.tx.Bucket([]byte(tableServed)); s.bucket == nil {
		w.dirty = true
		if err := createTables(w.tx, tableServed, tableListings, tableEnds); err != nil {
			return s, err
		}
		s.bucket = w.tx.Bucket([]byte(tableServed))
	}
	err = openTables(s.bucket, map[table]**bbolt.Bucket{tableListings: &s.listings, tableEnds: &s.ends})
	return s, err
}

func (w *writing) saveListing(key []byte, listing index.ServedListing, now time.Time, most int64) error {
	s, err := w.openServed()
	if err != nil {
		return err
	}
	if value := s.listings.Get(key); value != nil {
		until, _, body, err := decodeListing(value)
		switch {
		case err != nil:
			return err
		case !until.Before(listing.Until):
			return w.dropListings(s, now, most)
		}
		if err := w.dropListing(s, endKey(until, key), int64(len(body))); err != nil {
			return err
		}
	}
	size := int64(len(listing.Body))
	if err := w.put(s.listings, key, encodeListing(listing)); err != nil {
		return err
	}
	if err := w.put(s.ends, endKey(listing.Until, key), number(uint64(size))); err != nil {
		return err
	}
	if err := w.addServed(s, size+index.ListingOverhead); err != nil {
		return err
	}
	return w.dropListings(s, now, most)
}

// dropListings drops those that are over, and the next ones until the rest take
// no more than most.
func (w *writing) dropListings(s servedListings, now time.Time, most int64) error {
	for {
		end, size := s.ends.Cursor().First()
		if end == nil {
			return nil
		}
		until, err := endOf(end)
		if err != nil {
			return err
		}
		if until.After(now) && int64(s.bucket.Sequence()) <= most { //nolint:gosec // It counts bytes of the file.
			return nil
		}
		bytesOf, err := readSize(size)
		if err != nil {
			return err
		}
		if err := w.dropListing(s, bytes.Clone(end), bytesOf); err != nil {
			return err
		}
	}
}

// dropListing drops the listing of a key of ends.
func (w *writing) dropListing(s servedListings, end []byte, size int64) error {
	if err := w.delete(s.ends, end); err != nil {
		return err
	}
	if err := w.delete(s.listings, end[endSize:]); err != nil {
		return err
	}
	return w.addServed(s, -size-index.ListingOverhead)
}

// addServed counts what the listings take: in the bucket's own number, which is
// used for nothing else.
func (w *writing) addServed(s servedListings, size int64) error {
	w.dirty = true
	return s.bucket.SetSequence(uint64(int64(s.bucket.Sequence()) + size)) //nolint:gosec // It never gets negative.
}

// endSize is that of the time that begins a key of ends.
const endSize = 8

func endKey(until time.Time, key []byte) []byte {
	return append(number(uint64(until.UnixNano())), key...)
}

func endOf(end []byte) (time.Time, error) {
	if len(end) <= endSize {
		return time.Time{}, fmt.Errorf("%w: end of a listing", index.ErrDamaged)
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(end))), nil //nolint:gosec // What endKey wrote.
}

func readSize(value []byte) (int64, error) {
	if len(value) != 8 {
		return 0, fmt.Errorf("%w: size of a listing", index.ErrDamaged)
	}
	return int64(binary.BigEndian.Uint64(value)), nil //nolint:gosec // A length.
}

func encodeListing(listing index.ServedListing) []byte {
	e := packed.Encoder{B: make([]byte, 0, len(listing.Body)+len(listing.Tag)+64)}
	e.Time(listing.Until)
	e.Text(listing.Tag)
	e.Bytes(listing.Body)
	return e.B
}

// decodeListing returns a body that is part of the value.
func decodeListing(value []byte) (until time.Time, tag string, body []byte, err error) {
	d := packed.Decoder{B: value}
	until, tag, body = d.Time(), d.Text(), d.Bytes()
	return until, tag, body, d.End("listing")
}
