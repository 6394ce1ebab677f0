package indextest

import (
	"context"
	"slices"

	"github.com/backref/backref/index"
)

// arrive records what a client or the upstream has brought. It is news where it was
// not recorded, has a subject, and is not old.
func (m *Model) arrive(r index.Record, news bool) {
	_, known := m.live[manifestOf(r)]
	old := r.Old
	r.Old = false
	m.record(r, news)
	if !m.newsOn || known || old || r.Subject() == "" {
		return
	}
	m.lastArrival++
	m.news = append(m.news, index.Arrival{Number: m.lastArrival, At: noon, Record: m.live[manifestOf(r)].Record})
}

// SetNews implements [index.News].
func (m *Model) SetNews(_ context.Context, on bool) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.newsOn = on; !on {
		m.news = nil
	}
	return nil
}

// Arrivals implements [index.News].
func (m *Model) Arrivals(_ context.Context, after uint64, limit int) ([]index.Arrival, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	behind := slices.DeleteFunc(slices.Clone(m.news), func(a index.Arrival) bool { return a.Number <= after })
	return atMost(behind, limit), nil
}

// Latest implements [index.News].
func (m *Model) Latest(_ context.Context, repository string, before uint64, limit int) ([]index.Arrival, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	found := slices.DeleteFunc(slices.Clone(m.news), func(a index.Arrival) bool {
		return before > 0 && a.Number >= before || repository != "" && a.Record.Repository != repository
	})
	slices.Reverse(found)
	return atMost(found, limit), nil
}

func atMost(arrivals []index.Arrival, limit int) []index.Arrival {
	if limit > 0 && len(arrivals) > limit {
		return arrivals[:limit]
	}
	return arrivals
}

// CountNews implements [index.News].
func (m *Model) CountNews(context.Context) (int, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.news), nil
}

// TrimNews implements [index.News].
func (m *Model) TrimNews(_ context.Context, through uint64, limit int) (dropped int, err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for len(m.news) > 0 && m.news[0].Number <= through && (limit <= 0 || dropped < limit) {
		m.news = m.news[1:]
		dropped++
	}
	return dropped, nil
}
