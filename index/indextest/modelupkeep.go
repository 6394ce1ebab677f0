package indextest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// Intents implements [index.Maintainer].
func (m *Model) Intents(_ context.Context, after index.IntentID, limit int) ([]index.Intent, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var intents []index.Intent
	for _, id := range slices.Sorted(maps.Keys(m.intents)) {
		if intent := m.intents[id]; intent.Kind != index.IntentRemoval && id > after && len(intents) < limit {
			intents = append(intents, intent)
		}
	}
	return intents, nil
}

// Records implements [index.Maintainer].
func (m *Model) Records(_ context.Context, after index.Key, limit int) ([]index.Record, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	records := m.live.behind(after)
	return records[:min(limit, len(records))], nil
}

// behind returns the records behind a key in the order of their keys.
func (g generation) behind(after index.Key) []index.Record {
	var records []index.Record
	for _, r := range g {
		if compareKeys(r.Key(), after) > 0 {
			records = append(records, r.Record)
		}
	}
	slices.SortFunc(records, func(a, b index.Record) int { return compareKeys(a.Key(), b.Key()) })
	return records
}

func compareKeys(a, b index.Key) int {
	return cmp.Or(strings.Compare(a.Repository, b.Repository), strings.Compare(string(a.Digest), string(b.Digest)))
}

// Forget implements [index.Maintainer].
func (m *Model) Forget(_ context.Context, mark index.Mark, repository string, d digest.Digest) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	about := manifest{repository, d}
	for _, g := range m.generations() {
		if r, recorded := g[about]; recorded && (r.stamp > mark || m.pushing(about)) {
			return index.ErrStale
		}
	}
	if m.remove(about) {
		m.noteGone(about)
	}
	return nil
}

// pushing reports whether a push of a manifest is open.
func (m *Model) pushing(about manifest) bool {
	for _, intent := range m.intents {
		if intent.Kind == index.IntentPush && manifestOf(intent.Record) == about {
			return true
		}
	}
	return false
}

// Correct implements [index.Maintainer].
func (m *Model) Correct(_ context.Context, mark index.Mark, r index.Record) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	about := manifestOf(r)
	live, isLive := m.live[about]
	next, isNext := m.next[about]
	if (!isLive || sameManifest(live, r)) && (!isNext || sameManifest(next, r)) {
		return nil
	}
	if m.gone[about] > mark {
		return index.ErrStale
	}
	if isLive {
		r.Seen = live.Seen
		m.putIn(m.live, r, false)
	}
	if isNext {
		r.Seen = next.Seen
	}
	if m.next != nil && (isLive || isNext) {
		m.putIn(m.next, r, false)
	}
	return nil
}

func sameManifest(a kept, b index.Record) bool { return reflect.DeepEqual(a.Manifest, b.Manifest) }

// Stats implements [index.Maintainer]. The model has no medium.
func (m *Model) Stats(context.Context) (index.Stats, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	stats := index.Stats{Records: int64(len(m.live)), Intents: int64(len(m.intents)), Rebuilding: -1}
	if m.next != nil {
		stats.Rebuilding = int64(len(m.next))
	}
	for _, intent := range m.intents {
		if intent.Kind == index.IntentRemoval {
			stats.Removals++
			stats.Intents--
		}
	}
	repositories, edges := map[string]bool{}, map[string]bool{}
	for _, r := range m.live {
		repositories[r.Repository] = true
		if r.Subject() != "" {
			stats.Referrers++
		}
		if m.unheld[manifestOf(r.Record)] {
			stats.Unheld++
		}
		for _, edge := range r.Edges {
			edges[fmt.Sprint(r.Key(), edge)] = true
		}
	}
	stats.Repositories, stats.Edges = int64(len(repositories)), int64(len(edges))
	return stats, nil
}

// backup is what a copy of a model holds.
type backup struct {
	Live, Next []index.Record
	Building   bool
	Checkpoint []byte
	Intents    []index.Intent
	LastID     index.IntentID
	Mirrored   bool
	Changes    []index.Change
	LastChange uint64
	Served     []index.ServedListing
	Journal    map[index.Book]map[string][]byte
	NewsOn     bool
	News       []index.Arrival
	LastNews   uint64
}

// Backup implements [index.Copier].
func (m *Model) Backup(_ context.Context, w io.Writer) error {
	m.mutex.Lock()
	copied := backup{
		m.live.behind(index.Key{}), m.next.behind(index.Key{}), m.next != nil, m.checkpoint,
		slices.Collect(maps.Values(m.intents)), m.lastID, m.mirrored, slices.Clone(m.changes), m.lastChange, slices.Clone(m.served),
		map[index.Book]map[string][]byte{}, m.newsOn, slices.Clone(m.news), m.lastArrival,
	}
	for book, entries := range m.journal {
		copied.Journal[book] = maps.Clone(entries)
	}
	m.mutex.Unlock()
	return json.NewEncoder(w).Encode(copied)
}
