package indextest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// Remove implements [index.Remover].
func (m *Model) Remove(_ context.Context, at time.Time, manifests ...index.Key) ([]index.IntentID, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var ids []index.IntentID
	for _, key := range manifests {
		ids = append(ids, m.removeAt(at, manifest{key.Repository, key.Digest}))
	}
	return ids, nil
}

func (m *Model) removeAt(at time.Time, about manifest) index.IntentID {
	var removal index.Intent
	removal.Record.Repository, removal.Record.Digest = about.repository, about.digest
	if before, open := m.removalOf(about); open {
		if !m.pushes(about, func(id index.IntentID) bool { return id > before.ID }) {
			return before.ID
		}
		removal.Record = before.Record
		delete(m.intents, before.ID)
	}
	if r, recorded := m.live[about]; recorded {
		removal.Record = r.Record
	} else if r, recorded := m.next[about]; recorded {
		removal.Record = r.Record
	}
	m.remove(about)
	m.noteGone(about)
	m.lastID++
	removal.ID, removal.Kind, removal.Deadline = m.lastID, index.IntentRemoval, at
	m.intents[removal.ID] = removal
	return removal.ID
}

// Removals implements [index.Remover].
func (m *Model) Removals(_ context.Context, repository string, after index.IntentID, limit int) ([]index.Intent, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var removals []index.Intent
	for _, id := range slices.Sorted(maps.Keys(m.intents)) {
		intent := m.intents[id]
		of := repository == "" || intent.Record.Repository == repository
		if intent.Kind == index.IntentRemoval && of && id > after && (limit == 0 || len(removals) < limit) {
			removals = append(removals, intent)
		}
	}
	return removals, nil
}

// Removing implements [index.Remover].
func (m *Model) Removing(_ context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]index.IntentID, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	removing := map[digest.Digest]index.IntentID{}
	for _, d := range manifests {
		if removal, open := m.removalOf(manifest{repository, d}); open {
			removing[d] = removal.ID
		}
	}
	return removing, nil
}

// removalOf returns the open removal of a manifest.
func (m *Model) removalOf(about manifest) (index.Intent, bool) {
	for _, intent := range m.intents {
		if intent.Kind == index.IntentRemoval && manifestOf(intent.Record) == about {
			return intent, true
		}
	}
	return index.Intent{}, false
}

// pushes reports whether a push of a manifest is open that has one of those
// identifiers.
func (m *Model) pushes(about manifest, among func(index.IntentID) bool) bool {
	for id, intent := range m.intents {
		if intent.Kind == index.IntentPush && manifestOf(intent.Record) == about && among(id) {
			return true
		}
	}
	return false
}

// pushed is what comes of a push that has succeeded, and of the manifests that it
// replaces. It returns the intent as it is then.
func (m *Model) pushed(push index.Intent, news bool, at time.Time) index.Intent {
	about := manifestOf(push.Record)
	removal, removing := m.removalOf(about)
	if removing && removal.ID > push.ID {
		if removal.Record.MediaType == "" {
			removal.Record = push.Record
			m.intents[removal.ID] = removal
		}
		return push
	}
	if removing {
		delete(m.intents, removal.ID)
	}
	m.arrive(push.Record, news)
	if news && (push.Contended || m.anyOpen(about, push.ID)) {
		m.noteCame(about)
	}
	for _, d := range push.Replaces {
		m.removeAt(at, manifest{about.repository, d})
	}
	push.Replaces = nil
	return push
}

// foundGone is what becomes of the removal of a manifest that is not there.
func (m *Model) foundGone(about manifest) (ended bool) {
	removal, removing := m.removalOf(about)
	if !removing || m.pushes(about, func(id index.IntentID) bool { return id < removal.ID }) {
		return false
	}
	delete(m.intents, removal.ID)
	return true
}

// cancelRemoval brings back what a removal took away.
func (m *Model) cancelRemoval(removal index.Intent) {
	delete(m.intents, removal.ID)
	if removal.Record.MediaType == "" {
		return
	}
	m.record(removal.Record, true)
	if about := manifestOf(removal.Record); m.anyOpen(about, 0) {
		m.noteCame(about)
	}
}
