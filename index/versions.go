package index

import (
	"hash/maphash"
	"sync/atomic"
)

// Versions tells whether something that is named by two words, or by a number, may
// have changed, for many such things in little memory: things share counters, so
// that one may seem to have changed when another did. It may be used
// concurrently. The zero value is not usable: see [NewVersions].
type Versions struct {
	seed     maphash.Seed
	counters [versionCounters]atomic.Uint64
	all      atomic.Uint64
}

// versionCounters takes half a megabyte.
const versionCounters = 1 << 16

// NewVersions returns counters.
func NewVersions() *Versions {
	return &Versions{seed: maphash.MakeSeed()}
}

// Of returns the present version of a thing. It is never one that the thing
// had before a change.
func (v *Versions) Of(first, second string) uint64 {
	return v.counter(first, second).Load() + v.all.Load()
}

// Changed says that a thing has changed.
func (v *Versions) Changed(first, second string) {
	v.counter(first, second).Add(1)
}

// OfNumber is [Versions.Of] for a thing that has a number in place of words. It
// shares counters with others as well.
func (v *Versions) OfNumber(number uint64) uint64 {
	return v.counters[number%versionCounters].Load() + v.all.Load()
}

// NumberChanged is [Versions.Changed] for a thing that has a number.
func (v *Versions) NumberChanged(number uint64) {
	v.counters[number%versionCounters].Add(1)
}

// AllChanged says that everything has.
func (v *Versions) AllChanged() {
	v.all.Add(1)
}

func (v *Versions) counter(first, second string) *atomic.Uint64 {
	hash := maphash.String(v.seed, first) ^ maphash.String(v.seed, second)*31
	return &v.counters[hash%versionCounters]
}
