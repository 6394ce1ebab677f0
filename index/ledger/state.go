package ledger

import (
	"errors"

	"github.com/backref/backref/index"
)

// Generation names a set of records.
type Generation int

const (
	// Live is the generation that queries see.
	Live Generation = iota
	// Next is the generation that a rebuild is making.
	Next

	generations = 2
)

// State is what there is one of in a store, as it is within a transaction.
type State struct {
	// Sequence is the number that was given last in the history. Numbers grow,
	// and a [index.Mark] is one: a store gives its mark from what is committed,
	// so that all numbers of a transaction are behind every mark that was given
	// before the transaction ended.
	Sequence uint64
	// Horizon is the number before which the history is forgotten.
	Horizon uint64
	// Building says that a rebuild is under way: records go to [Next] too.
	Building bool
	// Changed are the listings of [Live] that have changed, each by repository
	// and subject, in the order of the changes. A listing may be there twice. The
	// rules append; whoever has saved the listings may take them out.
	Changed []index.Key
	// Arrived are the records that came to be listed ([index.News]), in the order in
	// which they did. The rules append; whoever has saved them may take them out.
	Arrived []index.Record

	// stamp is the number of all records of the transaction, 0 where none was
	// recorded yet.
	stamp uint64
}

// Refuses tells whether an error is a rule's refusal: the rule changed nothing,
// and the caller of the store is to have the error.
func Refuses(err error) bool {
	return errors.Is(err, index.ErrStale) || errors.Is(err, index.ErrNoRebuild)
}

// Next gives a number of the history that was not given before.
func (s *State) Next() uint64 {
	s.Sequence++
	return s.Sequence
}

// recordedAt gives the number at which a record was recorded. One is enough for
// a transaction, because no mark is given before the transaction is committed.
func (s *State) recordedAt() uint64 {
	if s.stamp == 0 {
		s.stamp = s.Next()
	}
	return s.stamp
}

// last is the last of the generations that a change of a record goes to.
func (s *State) last() Generation {
	if s.Building {
		return Next
	}
	return Live
}

// unknown reports whether a mark is from before the horizon, or one that the
// store never gave: what was read after such a mark may be older than anything.
func (s *State) unknown(mark index.Mark) bool {
	return uint64(mark) < s.Horizon || uint64(mark) > s.Sequence
}

// listingChanged notes that the listing which shows a record has changed, if the
// record has a subject.
func (s *State) listingChanged(record *index.Record) {
	subject := record.Subject()
	if subject == "" {
		return
	}
	listing := index.Key{Repository: record.Repository, Digest: subject}
	if n := len(s.Changed); n == 0 || s.Changed[n-1] != listing {
		s.Changed = append(s.Changed, listing)
	}
}
