package indextest

import (
	"encoding/json"
	"io"
	"testing"

	"github.com/backref/backref/index"
)

func TestModel(t *testing.T) {
	open := func(*testing.T) index.Store { return NewModel() }
	runMeaning(t, open)
	t.Run("backup", func(t *testing.T) {
		RunBackup(t, open, func(t *testing.T, backup io.Reader) index.Store {
			model, err := restoreModel(backup)
			must(t, err)
			return model
		})
	})
}

// restoreModel opens what [Model.Backup] wrote.
func restoreModel(r io.Reader) (*Model, error) {
	var copied backup
	if err := json.NewDecoder(r).Decode(&copied); err != nil {
		return nil, err
	}
	m := NewModel()
	for _, r := range copied.Live {
		m.putIn(m.live, r, true)
	}
	if copied.Building {
		m.next, m.checkpoint = generation{}, copied.Checkpoint
	}
	for _, r := range copied.Next {
		m.putIn(m.next, r, true)
	}
	m.lastID, m.mirrored, m.changes, m.lastChange = copied.LastID, copied.Mirrored, copied.Changes, copied.LastChange
	m.served, m.journal = copied.Served, copied.Journal
	m.newsOn, m.news, m.lastArrival = copied.NewsOn, copied.News, copied.LastNews
	for _, intent := range copied.Intents {
		m.intents[intent.ID] = intent
	}
	return m, nil
}
