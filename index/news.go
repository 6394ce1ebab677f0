package index

import (
	"context"
	"time"
)

// News remembers what has arrived: each referrer that came to be listed, from when
// that is turned on. What [Store] says of errors, concurrency and durability holds
// here too.
//
// An arrival enters in the transaction that records the referrer, so that none is
// lost however a process ends: when a push is confirmed or found to be carried out,
// and when a manifest is observed that was not recorded. What was deleted and comes
// back has arrived again. No arrival is what was recorded already, what a rebuild
// fills and its end brings to light, what [Maintainer.Correct] corrects, a record
// that a removal gives back, and a [Record] that is Old.
//
// An entry outlives its record: whoever shows what is listed has to look it up.
// Entries are not about generations, and a rebuild leaves them alone.
type News interface {
	// SetNews turns the news on or off. Turning it on enters nothing of what is
	// recorded; turning it off drops all entries. Both are without effect where it is
	// so already. The setting lasts beyond Close.
	SetNews(ctx context.Context, on bool) error
	// Arrivals lists entries in the order in which they were entered: at most limit,
	// those behind a number. A limit of 0 means none.
	Arrivals(ctx context.Context, after uint64, limit int) ([]Arrival, error)
	// Latest lists entries of a repository, or of all where it is empty, the latest
	// first: at most limit, those before a number; 0 is behind all of them. A limit of
	// 0 means none.
	Latest(ctx context.Context, repository string, before uint64, limit int) ([]Arrival, error)
	// CountNews counts the entries. It may take time in proportion to them.
	CountNews(ctx context.Context) (int, error)
	// TrimNews drops the entries up to a number: at most limit, the first ones. It
	// returns how many these were. A limit of 0 means none.
	TrimNews(ctx context.Context, through uint64, limit int) (dropped int, err error)
}

// Arrival is an entry of the news: a referrer that came to be listed.
type Arrival struct {
	// Number grows with every arrival and is never used twice, also where the news
	// were turned off between. Numbers have gaps, and become visible in their order.
	Number uint64
	// At is when it was entered, by the clock of the store, in UTC and whole seconds
	// at least.
	At time.Time
	// Record is the record as it was then.
	Record Record
}
