package reconcile

import (
	"time"
	"unicode/utf8"

	"go.uber.org/zap/zapcore"

	"github.com/backref/backref/registry"
)

// repeats are the denials of the last minute, so that a client that asks for the
// same over and over fills no index. It is used by one goroutine at a time.
type repeats struct {
	// seen has, by what they have in common, the last of those that repeat, and
	// how many of them are not written.
	seen map[AuditRecord]*AuditRecord
}

// maxRepeats is how many denials are told apart; further ones are all written.
const maxRepeats = 4096

func newRepeats() repeats {
	return repeats{map[AuditRecord]*AuditRecord{}}
}

// repeated tells whether a record says only that something was denied again, and
// remembers it then. A deletion never repeats.
func (r repeats) repeated(record AuditRecord) bool {
	if record.Outcome != registry.AuditDenied {
		return false
	}
	common := record
	common.Time, common.Request = time.Time{}, ""
	if last, seen := r.seen[common]; seen {
		record.Repeated = last.Repeated + 1
		*last = record
		return true
	}
	if len(r.seen) < maxRepeats {
		first := record
		r.seen[common] = &first
	}
	return false
}

// end ends the minute: it returns a record for each denial that was repeated, and
// forgets the others.
func (r repeats) end() []AuditRecord {
	var records []AuditRecord
	for common, last := range r.seen {
		if last.Repeated == 0 {
			delete(r.seen, common)
			continue
		}
		records = append(records, *last)
		last.Repeated = 0
	}
	return records
}

// maxReason is how much of a reason is kept, in bytes.
const maxReason = 512

// cutText returns at most so many bytes of a text, of whole letters.
func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}

// MarshalLogObject implements [zapcore.ObjectMarshaler], by the keys of the access
// log where these have the same.
func (r *AuditRecord) MarshalLogObject(to zapcore.ObjectEncoder) error {
	for _, field := range []struct{ key, value string }{
		{"outcome", r.Outcome}, {"action", r.Action}, {"repository", r.Repository}, {"tag", r.Tag}, {"digest", string(r.Digest)},
		{"rule", r.Rule}, {"reason", r.Reason}, {"user", r.User}, {"client", r.Client}, {"userAgent", r.UserAgent},
		{"listener", r.Listener}, {"request", r.Request},
	} {
		if field.value != "" {
			to.AddString(field.key, field.value)
		}
	}
	if r.UserClaimed {
		to.AddBool("userClaimed", true)
	}
	return nil
}
