package bolt

import (
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/opencontainers/go-digest"
)

var _ index.Versioner = (*Store)(nil)

// listingName names a listing by its repository and referrers tag.
type listingName struct {
	repository, tag string
}

// Version implements [index.Versioner].
func (s *Store) Version(repository, referrersTag string) uint64 {
	return s.versions.Of(repository, referrersTag)
}

// touchListing notes that a listing may look different.
func (w *writing) touchListing(repository string, subject digest.Digest) {
	w.touched = append(w.touched, listingName{repository, oci.ReferrersTag(subject)})
}

// touchIntent notes the listings that an intent is open for, or was. That of a
// delete is known by the record or an open push of the manifest; one of neither
// is open for none, and what brings either touches the listing itself.
func (w *writing) touchIntent(intent index.Intent) error {
	repository := intent.Record.Repository
	switch intent.Kind {
	case index.IntentImport:
		w.touched = append(w.touched, listingName{repository, intent.Tag})
		return nil
	case index.IntentPush:
		if subject := intent.Record.Subject(); subject != "" {
			w.touchListing(repository, subject)
		}
		return nil
	default:
		return w.touchDeleted(intent)
	}
}

func (w *writing) touchDeleted(intent index.Intent) error {
	repository := intent.Record.Repository
	key, err := intentKey(intent)
	if err != nil {
		return err
	}
	record, _, _, err := w.live.record(key)
	if err != nil {
		return err
	}
	if subject := record.Subject(); subject != "" {
		w.touchListing(repository, subject)
	}
	pushes, err := appendOpen(nil, w.openCursor, openPrefix(key, rolePush), nil)
	if err != nil {
		return err
	}
	for _, id := range pushes {
		push, open, err := w.intent(id)
		if err != nil {
			return err
		}
		if subject := push.Record.Subject(); open && subject != "" {
			w.touchListing(repository, subject)
		}
	}
	return nil
}

// announce counts the listings that were touched.
func (w *writing) announce(versions *index.Versions) {
	if w.allTouched {
		versions.AllChanged()
	}
	for _, listing := range w.touched {
		versions.Changed(listing.repository, listing.tag)
	}
}
