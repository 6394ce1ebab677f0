package notice

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"

	"github.com/backref/backref/index"
)

// The parameters of feeds beside those of [index.ParseQuery].
const (
	paramRepository = "repository"
	// ParamBefore is the number behind which a page begins, back in time.
	ParamBefore = "before"
)

const (
	// feedEntries is how many entries a page of a feed has, unless n says less.
	feedEntries = 50
	maxFeed     = 100
	// feedScan is how many arrivals one page looks at, at most. One that has found
	// fewer entries than it has room for leads on all the same.
	feedScan = 5000
	feedRead = 250
)

// FeedQuery says what a page of a feed shows.
type FeedQuery struct {
	Filter
	// Before is the number of the notice before which it begins; 0 is the present.
	Before uint64
	// Limit is the most entries.
	Limit int
}

// ParseFeedQuery reads the parameters of a feed: those of filters, n and before.
// everywhere says that the feed is of all repositories, which repository=<glob> may
// choose from. What it does not know it refuses: a filter that was mistyped would show
// everything. The error is an [*index.QueryError].
func ParseFeedQuery(values url.Values, everywhere bool) (FeedQuery, error) {
	var q FeedQuery
	for name := range values {
		switch name {
		case index.ParamArtifactType, index.ParamAnnotation, index.ParamLimit, ParamBefore:
		case paramRepository:
			if everywhere {
				continue
			}
			fallthrough
		default:
			return q, &index.QueryError{Param: name, Reason: "a feed has no such parameter"}
		}
	}
	filter, err := ParseFilter(values[paramRepository], values[index.ParamArtifactType], values[index.ParamAnnotation])
	if err != nil {
		if bad := (*index.QueryError)(nil); errors.As(err, &bad) {
			return q, err
		}
		return q, &index.QueryError{Param: paramRepository, Reason: err.Error()}
	}
	counted, err := index.ParseQuery(url.Values{index.ParamLimit: values[index.ParamLimit]})
	if err != nil {
		return q, err
	}
	q.Filter, q.Limit = filter, feedEntries
	if counted.Limit > 0 {
		q.Limit = min(counted.Limit, maxFeed)
	}
	if len(values[ParamBefore]) > 1 {
		return q, &index.QueryError{Param: ParamBefore, Reason: "give it once"}
	}
	if text := values.Get(ParamBefore); text != "" {
		if q.Before, err = strconv.ParseUint(text, 10, 64); err != nil || q.Before == 0 {
			return q, &index.QueryError{Param: ParamBefore, Reason: "need a whole number above 0"}
		}
	}
	return q, nil
}

// Values returns the parameters that [ParseFeedQuery] reads as q.
func (q FeedQuery) Values() url.Values {
	values := index.Query{ArtifactTypes: q.Query.ArtifactTypes, Annotations: q.Query.Annotations}.Values()
	for _, glob := range q.Repositories {
		values.Add(paramRepository, glob.String())
	}
	if q.Limit != feedEntries && q.Limit > 0 {
		values.Set(index.ParamLimit, strconv.Itoa(q.Limit))
	}
	if q.Before > 0 {
		values.Set(ParamBefore, strconv.FormatUint(q.Before, 10))
	}
	return values
}

// Reader reads what a feed shows.
type Reader struct {
	// Latest reads arrivals, the latest first, before a number; 0 is behind all.
	Latest func(ctx context.Context, before uint64, limit int) ([]index.Arrival, error)
	// Listed tells whether what has arrived is listed still.
	Listed func(ctx context.Context, a index.Arrival) (bool, error)
}

// Page reads a page of a feed: notices of what is listed still, the latest first, each
// manifest once. next is where the page behind it begins, 0 where there is none.
func (r Reader) Page(ctx context.Context, q FeedQuery) (notices []Notice, next uint64, err error) {
	seen := map[index.Key]bool{}
	for scanned, before := 0, q.Before; ; {
		arrivals, err := r.Latest(ctx, before, feedRead)
		if err != nil {
			return nil, 0, err
		}
		for _, a := range arrivals {
			if len(notices) == q.Limit || scanned == feedScan {
				return notices, before, nil
			}
			before = a.Number
			scanned++
			n := Of(a)
			if seen[a.Record.Key()] || !q.Matches(n) {
				continue
			}
			seen[a.Record.Key()] = true
			listed, err := r.Listed(ctx, a)
			if err != nil {
				return nil, 0, err
			}
			if listed {
				notices = append(notices, n)
			}
		}
		if len(arrivals) < feedRead {
			return slices.Clip(notices), 0, nil
		}
	}
}

// StillListed tells whether the record of an arrival, as it is read now, shows it still:
// err is that of the reading.
func StillListed(now index.Record, a index.Arrival, err error) (bool, error) {
	if errors.Is(err, index.ErrNotFound) {
		return false, nil
	}
	return err == nil && now.Subject() == a.Record.Subject(), err
}
