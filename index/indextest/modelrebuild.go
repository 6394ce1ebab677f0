package indextest

import (
	"bytes"
	"context"
	"reflect"
	"slices"

	"github.com/backref/backref/index"
)

// BeginRebuild implements [index.Rebuilder].
func (m *Model) BeginRebuild(context.Context) ([]byte, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.next == nil {
		m.next, m.checkpoint = generation{}, nil
	}
	return m.checkpoint, nil
}

// Fill implements [index.Rebuilder].
func (m *Model) Fill(_ context.Context, mark index.Mark, checkpoint []byte, records ...index.Record) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.next == nil {
		return index.ErrNoRebuild
	}
	records = slices.DeleteFunc(slices.Clone(records), func(r index.Record) bool {
		_, removing := m.removalOf(manifestOf(r))
		return removing
	})
	for _, r := range records {
		if _, known := m.next[manifestOf(r)]; !known && m.gone[manifestOf(r)] > mark {
			return index.ErrStale
		}
	}
	for _, r := range records {
		if _, known := m.next[manifestOf(r)]; known {
			continue
		}
		if live, known := m.live[manifestOf(r)]; known {
			r.Seen = live.Seen
		}
		m.putIn(m.next, r, true)
		if m.anyOpen(manifestOf(r), 0) {
			m.noteCame(manifestOf(r))
		}
	}
	m.checkpoint = bytes.Clone(checkpoint)
	return nil
}

// Unfilled implements [index.Rebuilder].
func (m *Model) Unfilled(_ context.Context, after index.Key, limit int) (records []index.Record, scanned index.Key, err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.next == nil {
		return nil, index.Key{}, index.ErrNoRebuild
	}
	for _, r := range m.live.behind(after) {
		if _, filled := m.next[manifestOf(r)]; filled {
			continue
		}
		if len(records) == limit {
			return records, records[limit-1].Key(), nil
		}
		records = append(records, r)
	}
	return records, index.Key{}, nil
}

// FinishRebuild implements [index.Rebuilder].
func (m *Model) FinishRebuild(context.Context) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.next == nil {
		return index.ErrNoRebuild
	}
	before := m.live
	m.live, m.next, m.checkpoint = m.next, nil, nil
	for _, records := range []generation{before, m.live} {
		for _, r := range records.behind(index.Key{}) {
			was := before.referrers(r.Repository, r.Subject(), index.Query{})
			is := m.live.referrers(r.Repository, r.Subject(), index.Query{})
			if !reflect.DeepEqual(was, is) {
				m.enter(m.live, r)
			}
		}
	}
	return nil
}

// AbandonRebuild implements [index.Rebuilder].
func (m *Model) AbandonRebuild(context.Context) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.next, m.checkpoint = nil, nil
	return nil
}

// SetOutbox implements [index.Outbox].
func (m *Model) SetOutbox(_ context.Context, on bool) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if on == m.mirrored {
		return nil
	}
	m.mirrored, m.changes = on, nil
	for _, r := range m.live.behind(index.Key{}) {
		m.enter(m.live, r)
	}
	return nil
}

// enter enters the listing of a record of a generation, if it is the live one.
func (m *Model) enter(g generation, r index.Record) {
	if !m.mirrored || r.Subject() == "" || reflect.ValueOf(g).Pointer() != reflect.ValueOf(m.live).Pointer() {
		return
	}
	m.changes = slices.DeleteFunc(m.changes, func(c index.Change) bool { return c.Repository == r.Repository && c.Subject == r.Subject() })
	m.lastChange++
	m.changes = append(m.changes, index.Change{Number: m.lastChange, Repository: r.Repository, Subject: r.Subject()})
}

// Changed implements [index.Outbox].
func (m *Model) Changed(_ context.Context, after uint64, limit int) ([]index.Change, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	behind := slices.DeleteFunc(slices.Clone(m.changes), func(c index.Change) bool { return c.Number <= after })
	return behind[:min(limit, len(behind))], nil
}

// Written implements [index.Outbox].
func (m *Model) Written(_ context.Context, change index.Change) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.changes = slices.DeleteFunc(m.changes, func(c index.Change) bool { return c == change })
	return nil
}
