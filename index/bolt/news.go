package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
)

// tableNews has what has arrived. It is there while the news are on: files of earlier
// versions have none, and such versions pass it over.
const tableNews table = "news"

// The parts of the bucket of news, by the first byte of their keys.
const (
	newsByNumber = 'n' // number → when, the record
	newsOf       = 'r' // repository, zero byte, number → nothing
)

// newsDropped bounds what one transaction drops where the news are turned off.
const newsDropped = 10_000

// SetNews implements [index.News].
func (s *Store) SetNews(ctx context.Context, on bool) error {
	var err error
	for more := true; more && err == nil; {
		err = s.change(ctx, func(w *writing) (err error) {
			more, err = w.setNews(on)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("set news: %w", err)
	}
	return nil
}

// setNews is to be called again while there is more to drop.
func (w *writing) setNews(on bool) (more bool, err error) {
	bucket := w.tx.Bucket([]byte(tableNews))
	switch {
	case on == (bucket != nil):
		return false, nil
	case on:
		w.dirty = true
		_, err := w.tx.CreateBucket([]byte(tableNews))
		return false, err
	}
	dropped, err := w.trimNews(bucket, ^uint64(0), newsDropped)
	if err != nil || dropped == newsDropped {
		return true, err
	}
	w.dirty = true
	return false, w.tx.DeleteBucket([]byte(tableNews))
}

// saveArrived enters what has arrived, where the news are on.
func (w *writing) saveArrived() error {
	arrived := w.ledger.Arrived
	w.ledger.Arrived = arrived[:0]
	if len(arrived) == 0 {
		return nil
	}
	bucket := w.tx.Bucket([]byte(tableNews))
	if bucket == nil {
		return nil
	}
	for _, record := range arrived {
		fresh, err := w.freshNumber()
		if err != nil {
			return err
		}
		value, err := encodeArrival(index.Arrival{At: w.now, Record: record})
		if err != nil {
			return err
		}
		if err := w.put(bucket, newsKey(fresh), value); err != nil {
			return err
		}
		if err := w.put(bucket, newsOfKey(record.Repository, fresh), []byte{}); err != nil {
			return err
		}
	}
	return nil
}

func newsKey(of uint64) []byte { return append([]byte{newsByNumber}, number(of)...) }

func newsOfKey(repository string, of uint64) []byte {
	return slices.Concat([]byte{newsOf}, []byte(repository), []byte{0}, number(of))
}

func encodeArrival(a index.Arrival) ([]byte, error) {
	var e encoder
	e.Time(a.At)
	e.Text(a.Record.Repository)
	e.digest(a.Record.Digest)
	e.manifest(a.Record.Manifest, a.Record.Seen)
	return e.B, e.Err
}

func decodeArrival(number uint64, value []byte) (index.Arrival, error) {
	d := decoder{packed.Decoder{B: value}}
	a := index.Arrival{Number: number, At: d.Time()}
	repository, manifest := d.Text(), d.digest()
	a.Record.Manifest, a.Record.Seen = d.manifest()
	a.Record.Repository, a.Record.Digest = repository, manifest
	return a, d.End("arrival")
}

// Arrivals implements [index.News].
func (s *Store) Arrivals(ctx context.Context, after uint64, limit int) ([]index.Arrival, error) {
	var arrivals []index.Arrival
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(tableNews))
		if bucket == nil {
			return nil
		}
		cursor := bucket.Cursor()
		key, value := seekBehind(cursor, newsKey(after))
		for ; isNews(key) && (limit <= 0 || len(arrivals) < limit); key, value = cursor.Next() {
			a, err := readArrival(key, value)
			if err != nil {
				return err
			}
			arrivals = append(arrivals, a)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list news: %w", err)
	}
	return arrivals, nil
}

func isNews(key []byte) bool { return len(key) > 0 && key[0] == newsByNumber }

func readArrival(key, value []byte) (index.Arrival, error) {
	if len(key) != 9 {
		return index.Arrival{}, fmt.Errorf("%w: key of the news", index.ErrDamaged)
	}
	return decodeArrival(binary.BigEndian.Uint64(key[1:]), value)
}

// Latest implements [index.News].
func (s *Store) Latest(ctx context.Context, repository string, before uint64, limit int) ([]index.Arrival, error) {
	prefix := []byte{newsByNumber}
	if repository != "" {
		name, err := repositoryKey(repository)
		if err != nil {
			return nil, err
		}
		prefix = append([]byte{newsOf}, name...)
	}
	var arrivals []index.Arrival
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(tableNews))
		if bucket == nil {
			return nil
		}
		w := walk{cursor: bucket.Cursor(), prefix: prefix, backward: true}
		if before > 0 {
			w.start = slices.Concat(prefix, number(before))
		}
		for key, _ := w.first(); key != nil && (limit <= 0 || len(arrivals) < limit); key, _ = w.next() {
			byNumber := append([]byte{newsByNumber}, key[len(prefix):]...)
			a, err := readArrival(byNumber, bucket.Get(byNumber))
			if err != nil {
				return err
			}
			arrivals = append(arrivals, a)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the latest news: %w", err)
	}
	return arrivals, nil
}

// CountNews implements [index.News].
func (s *Store) CountNews(ctx context.Context) (n int, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(tableNews))
		if bucket == nil {
			return nil
		}
		cursor := bucket.Cursor()
		for key, _ := cursor.Seek([]byte{newsByNumber}); isNews(key); key, _ = cursor.Next() {
			if n++; n%countStep == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("count news: %w", err)
	}
	return n, nil
}

// TrimNews implements [index.News].
func (s *Store) TrimNews(ctx context.Context, through uint64, limit int) (dropped int, err error) {
	// A change whose context has ended may still be under way, and write to it.
	var trimmed int
	err = s.change(ctx, func(w *writing) (err error) {
		trimmed, err = w.trimNews(w.tx.Bucket([]byte(tableNews)), through, limit)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("trim news: %w", err)
	}
	return trimmed, nil
}

func (w *writing) trimNews(bucket *bbolt.Bucket, through uint64, limit int) (dropped int, err error) {
	if bucket == nil {
		return 0, nil
	}
	// A cursor that is deleted under may skip keys, so they are gathered first.
	var keys [][]byte
	last, cursor := newsKey(through), bucket.Cursor()
	key, value := cursor.Seek([]byte{newsByNumber})
	for ; isNews(key) && bytes.Compare(key, last) <= 0 && (limit <= 0 || dropped < limit); key, value = cursor.Next() {
		a, err := readArrival(key, value)
		if err != nil {
			return 0, err
		}
		keys = append(keys, bytes.Clone(key), newsOfKey(a.Record.Repository, a.Number))
		dropped++
	}
	for _, key := range keys {
		if err := w.delete(bucket, key); err != nil {
			return 0, err
		}
	}
	return dropped, nil
}
