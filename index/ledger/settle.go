package ledger

import (
	"time"

	"github.com/backref/backref/index"
)

// Settle applies [index.Store.Settle]. It refuses by [index.ErrStale].
func (m *Matter) Settle(id index.IntentID, finding index.Finding) error {
	i, err := m.find(id)
	if err != nil || i < 0 {
		return err
	}
	kind, over := m.intents[i].Kind, finding.At.After(m.intents[i].Deadline)
	if kind == index.IntentImport {
		m.intents[i].ended = finding.Present && over
		return nil
	}
	if err := m.refuseFinding(finding); err != nil {
		return err
	}
	switch {
	case kind == index.IntentRemoval:
		if finding.Present {
			return nil
		}
		return m.removalDone()
	case !finding.Present:
		err = m.settleAbsent(kind, m.intents[i].Contended)
	case kind == index.IntentPush:
		err = m.settlePushed(i, over, finding.At)
	default:
		// A delete whose manifest is there has no effect.
	}
	m.intents[i].ended = over && err == nil
	return err
}

// refuseFinding refuses what may have been overtaken since its mark.
func (m *Matter) refuseFinding(finding index.Finding) error {
	if finding.Present {
		return m.refuseStalePresent(finding.Mark)
	}
	stale, err := m.staleAbsent(finding.Mark)
	if err == nil && stale {
		err = index.ErrStale
	}
	return err
}

// settlePushed records a push that was found to be carried out.
func (m *Matter) settlePushed(i int, over bool, at time.Time) error {
	news := over || !m.intents[i].Recorded
	if !news {
		recorded, err := m.recordedIn(Live)
		if err != nil {
			return err
		}
		news = !recorded
	}
	if err := m.recordPush(i, news, at); err != nil {
		return err
	}
	intent := &m.intents[i]
	intent.changed = intent.changed || !intent.Recorded
	intent.Recorded = true
	return nil
}

// settleAbsent takes away what a delete deleted, or what a contended push
// recorded before the delete.
func (m *Matter) settleAbsent(kind index.IntentKind, contended bool) error {
	removed := false
	if kind == index.IntentDelete || contended {
		var err error
		if removed, err = m.remove(); err != nil {
			return err
		}
	}
	if kind == index.IntentDelete {
		if _, err := m.endRemoval(); err != nil {
			return err
		}
	}
	// A delete is noted even where there was no record: one that was read before
	// it must not come now.
	if removed || kind == index.IntentDelete {
		return m.noteGone()
	}
	return nil
}
