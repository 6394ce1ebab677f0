package indextest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// Model is the contract of [index.Maintainer] written down as plainly as
// possible: a few maps, searched from end to end. It keeps nothing and checks
// nothing; what a store does is right when the model does it too.
type Model struct {
	mutex sync.Mutex
	live  generation
	// next is the generation in the making, nil where there is none.
	next       generation
	checkpoint []byte
	intents    map[index.IntentID]index.Intent
	// gone and came hold the last point of the history at which a reading
	// "present" or "absent" of a manifest became worthless.
	gone, came map[manifest]index.Mark
	now        index.Mark
	lastID     index.IntentID
	// changes are the outbox, in its order, if it is on.
	mirrored   bool
	changes    []index.Change
	lastChange uint64
	// unheld are the notes of [index.Store.SetUnheld].
	unheld map[manifest]bool
	// made are those of [index.Store.SetMade].
	made   map[manifest]time.Time
	served []index.ServedListing
	// journal has the entries of each book.
	journal map[index.Book]map[string][]byte
	// news are the arrivals, in their order, if they are on.
	newsOn      bool
	news        []index.Arrival
	lastArrival uint64
}

var _ index.Maintainer = (*Model)(nil)

// generation is a set of records.
type generation map[manifest]kept

// kept is a record, and the point of the history at which it was recorded.
type kept struct {
	index.Record
	stamp index.Mark
}

// manifest is a manifest in a repository.
type manifest struct {
	repository string
	digest     digest.Digest
}

func manifestOf(r index.Record) manifest { return manifest{r.Repository, r.Digest} }

// NewModel returns an empty store.
func NewModel() *Model {
	return &Model{
		live:    make(generation),
		intents: make(map[index.IntentID]index.Intent),
		gone:    make(map[manifest]index.Mark),
		came:    make(map[manifest]index.Mark),
		unheld:  make(map[manifest]bool),
		made:    make(map[manifest]time.Time),
		journal: make(map[index.Book]map[string][]byte),
	}
}

// Get implements [index.Store].
func (m *Model) Get(_ context.Context, repository string, d digest.Digest) (index.Record, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	record, found := m.live[manifest{repository, d}]
	if !found {
		return index.Record{}, index.ErrNotFound
	}
	return record.Record, nil
}

// Referrers implements [index.Store].
func (m *Model) Referrers(_ context.Context, repository string, subject digest.Digest, query index.Query) (index.Page, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.live.referrers(repository, subject, query), nil
}

func (g generation) referrers(repository string, subject digest.Digest, query index.Query) index.Page {
	var entries []index.Referrer
	for _, r := range g {
		place := query.Order.Cursor(r.Descriptor(), r.Seen)
		if r.Repository != repository || subject == "" || r.Subject() != subject ||
			!query.Matches(r.Descriptor()) || !query.Behind(place) {
			continue
		}
		entry := index.Referrer{Digest: r.Digest, ArtifactType: r.ArtifactType, Key: place.Key, Descriptor: encode(r.Descriptor())}
		if query.Dated {
			entry.Created = createdOf(r.Record)
		}
		entries = append(entries, entry)
	}
	slices.SortFunc(entries, func(a, b index.Referrer) int { return query.Order.Compare(a.Cursor(), b.Cursor()) })
	fits := query.Fit(entries)
	return index.Page{Referrers: entries[:fits:fits], More: fits < len(entries)}
}

func encode(descriptor oci.Descriptor) json.RawMessage {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(descriptor); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// Manifests implements [index.Store].
func (m *Model) Manifests(_ context.Context, repository string, query index.Query) ([]index.Record, bool, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	place := func(r index.Record) index.Cursor { return query.Order.Cursor(r.Descriptor(), r.Seen) }
	var records []index.Record
	for _, r := range m.live {
		if r.Repository == repository && query.Matches(r.Descriptor()) && query.Behind(place(r.Record)) {
			records = append(records, r.Record)
		}
	}
	slices.SortFunc(records, func(a, b index.Record) int { return query.Order.Compare(place(a), place(b)) })
	entries := make([]index.Referrer, 0, len(records))
	for _, r := range records {
		entries = append(entries, index.Referrer{Descriptor: encode(r.Descriptor())})
	}
	fits := query.Fit(entries)
	return records[:fits:fits], fits < len(records), nil
}

// Parents implements [index.Store].
func (m *Model) Parents(_ context.Context, repository string, target digest.Digest, after index.Parent, limit int) ([]index.Parent, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var parents []index.Parent
	for _, r := range m.live {
		for _, edge := range r.Edges {
			parent := index.Parent{Digest: r.Digest, Kind: edge.Kind}
			if r.Repository == repository && edge.Target == target && compareParents(parent, after) > 0 {
				parents = append(parents, parent)
			}
		}
	}
	slices.SortFunc(parents, compareParents)
	if limit > 0 && len(parents) > limit {
		parents = parents[:limit]
	}
	return parents, nil
}

func compareParents(a, b index.Parent) int {
	return cmp.Or(strings.Compare(string(a.Digest), string(b.Digest)), cmp.Compare(a.Kind, b.Kind))
}

// Subjects implements [index.Store].
func (m *Model) Subjects(_ context.Context, repository string, manifests []digest.Digest) ([]digest.Digest, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	subjects := make([]digest.Digest, len(manifests))
	for i, d := range manifests {
		record := m.live[manifest{repository, d}]
		subjects[i] = record.Subject()
	}
	return subjects, nil
}

// SetUnheld implements [index.Store].
func (m *Model) SetUnheld(_ context.Context, repository string, d digest.Digest, unheld bool) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if unheld {
		m.unheld[manifest{repository, d}] = true
	} else {
		delete(m.unheld, manifest{repository, d})
	}
	return nil
}

// Mark implements [index.Store].
func (m *Model) Mark(context.Context) (index.Mark, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.now, nil
}

// Observe implements [index.Store].
func (m *Model) Observe(_ context.Context, mark index.Mark, records ...index.Record) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	records = slices.DeleteFunc(slices.Clone(records), func(r index.Record) bool {
		_, removing := m.removalOf(manifestOf(r))
		return removing
	})
	for _, r := range records {
		if _, known := m.live[manifestOf(r)]; !known && m.gone[manifestOf(r)] > mark {
			return index.ErrStale
		}
	}
	for _, r := range records {
		if _, known := m.live[manifestOf(r)]; known {
			continue
		}
		m.arrive(r, true)
		if m.anyOpen(manifestOf(r), 0) {
			m.noteCame(manifestOf(r))
		}
	}
	return nil
}

// Begin implements [index.Store].
func (m *Model) Begin(_ context.Context, intent index.Intent) (index.IntentID, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if intent.CarriesOut != 0 {
		about := manifestOf(intent.Record)
		removal, _ := m.removalOf(about)
		if removal.ID != intent.CarriesOut || m.pushing(about) {
			return 0, index.ErrStale
		}
	}
	m.lastID++
	intent.ID, intent.Contended, intent.Recorded, intent.CarriesOut = m.lastID, false, false, 0
	for id, other := range m.intents {
		if manifestOf(other.Record) != manifestOf(intent.Record) || !opposite(other.Kind, intent.Kind) {
			continue
		}
		intent.Contended, other.Contended = true, true
		m.intents[id] = other
	}
	if intent.Kind == index.IntentDelete {
		m.noteGone(manifestOf(intent.Record))
	}
	m.intents[intent.ID] = intent
	return intent.ID, nil
}

func opposite(a, b index.IntentKind) bool {
	return a == index.IntentPush && b == index.IntentDelete || a == index.IntentDelete && b == index.IntentPush
}

// Confirm implements [index.Store].
func (m *Model) Confirm(_ context.Context, id index.IntentID, at time.Time) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	intent, open := m.intents[id]
	if !open {
		return nil
	}
	about := manifestOf(intent.Record)
	if intent.Kind == index.IntentRemoval {
		if m.foundGone(about) {
			m.noteGone(about)
		}
		return nil
	}
	if intent.Kind == index.IntentDelete {
		m.noteGone(about)
	}
	if intent.Contended {
		intent.Deadline = at
		m.intents[id] = intent
		return nil
	}
	delete(m.intents, id)
	switch intent.Kind {
	case index.IntentPush:
		m.pushed(intent, true, at)
	case index.IntentDelete:
		m.remove(about)
		m.foundGone(about)
	case index.IntentImport, index.IntentRemoval:
		// What an import read was observed; a removal was confirmed before.
	}
	return nil
}

// Cancel implements [index.Store].
func (m *Model) Cancel(_ context.Context, id index.IntentID) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if intent, open := m.intents[id]; open && intent.Kind == index.IntentRemoval {
		m.cancelRemoval(intent)
	}
	delete(m.intents, id)
	return nil
}

// Settle implements [index.Store].
func (m *Model) Settle(_ context.Context, id index.IntentID, finding index.Finding) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	intent, open := m.intents[id]
	if !open {
		return nil
	}
	about := manifestOf(intent.Record)
	over := finding.At.After(intent.Deadline)
	isImport := intent.Kind == index.IntentImport
	if !isImport && (finding.Present && m.gone[about] > finding.Mark || !finding.Present && m.came[about] > finding.Mark) {
		return index.ErrStale
	}
	switch {
	case isImport:
		over = over && finding.Present
	case intent.Kind == index.IntentRemoval:
		over = false
		if !finding.Present && m.foundGone(about) {
			m.noteGone(about)
		}
	case intent.Kind == index.IntentPush && finding.Present:
		_, recorded := m.live[about]
		news := over || !intent.Recorded || !recorded
		intent = m.pushed(intent, news, finding.At)
		intent.Recorded = true
		m.intents[id] = intent
	case intent.Kind == index.IntentPush && intent.Contended:
		if m.remove(about) {
			m.noteGone(about)
		}
	case intent.Kind == index.IntentDelete && !finding.Present:
		m.remove(about)
		m.foundGone(about)
		m.noteGone(about)
	}
	if over {
		delete(m.intents, id)
	}
	return nil
}

// Unsettled implements [index.Store].
func (m *Model) Unsettled(_ context.Context, repository string, subject digest.Digest) ([]index.Intent, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var unsettled []index.Intent
	for _, id := range slices.Sorted(maps.Keys(m.intents)) {
		intent := m.intents[id]
		var concerns bool
		switch intent.Kind {
		case index.IntentPush:
			concerns = intent.Record.Subject() == subject
		case index.IntentDelete:
			concerns = m.refers(manifestOf(intent.Record), subject)
		case index.IntentImport:
			concerns = intent.Tag == oci.ReferrersTag(subject)
		case index.IntentRemoval:
			// Its manifest is listed no more.
		}
		if concerns && intent.Record.Repository == repository {
			unsettled = append(unsettled, intent)
		}
	}
	return unsettled, nil
}

// Close implements [index.Store].
func (m *Model) Close() error { return nil }

// generations are those that a change of a record goes to.
func (m *Model) generations() []generation {
	if m.next == nil {
		return []generation{m.live}
	}
	return []generation{m.live, m.next}
}

// record writes a record everywhere.
func (m *Model) record(r index.Record, news bool) {
	r = m.putIn(m.live, r, news)
	if m.next != nil {
		m.putIn(m.next, r, news)
	}
}

// putIn writes a record, which was seen when it was first pushed, and returns
// it as it is kept. What is the same and no news is not recorded anew.
func (m *Model) putIn(g generation, r index.Record, news bool) index.Record {
	before, known := g[manifestOf(r)]
	if known && before.Seen.Before(r.Seen) {
		r.Seen = before.Seen
	}
	same := known && reflect.DeepEqual(before.Record, r)
	if same && !news {
		return r
	}
	if !same {
		m.enter(g, before.Record)
		m.enter(g, r)
	}
	m.now++
	g[manifestOf(r)] = kept{r, m.now}
	return r
}

// remove removes a record everywhere, and reports whether there was one.
func (m *Model) remove(about manifest) (removed bool) {
	for _, g := range m.generations() {
		if before, known := g[about]; known {
			m.enter(g, before.Record)
			delete(g, about)
			removed = true
		}
	}
	if removed {
		delete(m.unheld, about)
		delete(m.made, about)
	}
	return removed
}

// refers reports whether a manifest has a subject, or will have it once an open
// push is recorded.
func (m *Model) refers(about manifest, subject digest.Digest) bool {
	record, recorded := m.live[about]
	if recorded && record.Subject() == subject {
		return true
	}
	for _, intent := range m.intents {
		if intent.Kind == index.IntentPush && manifestOf(intent.Record) == about && intent.Record.Subject() == subject {
			return true
		}
	}
	return false
}

// anyOpen reports whether a push or delete of a manifest is open besides one.
func (m *Model) anyOpen(about manifest, but index.IntentID) bool {
	for id, intent := range m.intents {
		if id != but && (intent.Kind == index.IntentPush || intent.Kind == index.IntentDelete) && manifestOf(intent.Record) == about {
			return true
		}
	}
	return false
}

func (m *Model) noteGone(about manifest) { m.now++; m.gone[about] = m.now }
func (m *Model) noteCame(about manifest) { m.now++; m.came[about] = m.now }
