package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// AuditRecord is what the audit keeps of a denial or a deletion. It holds no
// credentials.
type AuditRecord struct {
	Time time.Time `json:"time"`
	// Outcome is "denied" or "deleted".
	Outcome string `json:"outcome"`
	// Action is what was asked for: push, pull, delete, replace, retain, admin.
	Action     string `json:"action"`
	Repository string `json:"repository,omitempty"`
	// Tag and Digest are what it was about, as far as that is known.
	Tag    string        `json:"tag,omitempty"`
	Digest digest.Digest `json:"digest,omitempty"`
	// Rule is the name of the rule that decided; empty where who asked did.
	Rule string `json:"rule,omitempty"`
	// Reason says more, for people.
	Reason string `json:"reason,omitempty"`
	// User is who asked; UserClaimed says that nobody here has vouched for the name.
	User        string `json:"user,omitempty"`
	UserClaimed bool   `json:"userClaimed,omitempty"`
	// Client is the address that the request came from.
	Client    string `json:"client,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
	Listener  string `json:"listener,omitempty"`
	// Request is the identifier of the request; empty for work beside requests.
	Request string `json:"request,omitempty"`
	// Repeated says that the record stands for so many further denials that differ
	// from an earlier one in time and request alone; Time and Request are those of
	// the last. 0 is a record that stands for itself.
	Repeated int `json:"repeated,omitempty"`
}

// AuditQuery says which records of the audit are wanted. The zero value is all.
type AuditQuery struct {
	// Since and Until bound the time, the latter not included; zero for no bound.
	Since, Until time.Time
	// Repository is a pattern; the zero Glob is any, and those without one.
	Repository oci.Glob
	// Rule and Outcome are wanted exactly; empty for any.
	Rule, Outcome string
}

// matches tells whether a record is wanted, whatever its time.
func (q AuditQuery) matches(record AuditRecord) bool {
	return (q.Repository == oci.Glob{} || q.Repository.Match(record.Repository)) &&
		(q.Rule == "" || q.Rule == record.Rule) && (q.Outcome == "" || q.Outcome == record.Outcome)
}

// auditTime is how a time begins the keys of the audit: in the order of time, in
// any process.
const auditTime = "2006-01-02T15:04:05.000000000Z"

// auditKey returns the key of a record. No two processes have the same name, and
// none has a number twice.
func auditKey(at time.Time, process string, number uint64) string {
	return fmt.Sprintf("%s-%s-%012x", at.UTC().Format(auditTime), process, number)
}

// auditPage is how many records are read at once.
const auditPage = 500

// AuditReader is where the audit is read: see [index.Journal].
type AuditReader interface {
	ReadJournal(ctx context.Context, book index.Book, after string, limit int) ([]index.JournalEntry, error)
}

// ReadAudit gives each wanted record of the audit to each, in the order of time.
// An error of each ends it, and is returned.
func ReadAudit(ctx context.Context, journal AuditReader, query AuditQuery, each func(AuditRecord) error) error {
	after, end := "", ""
	if !query.Since.IsZero() {
		after = query.Since.UTC().Format(auditTime)
	}
	if !query.Until.IsZero() {
		end = query.Until.UTC().Format(auditTime)
	}
	for {
		page, err := journal.ReadJournal(ctx, index.BookAudit, after, auditPage)
		if err != nil {
			return err
		}
		for _, entry := range page {
			if end != "" && entry.Key >= end {
				return nil
			}
			var record AuditRecord
			if err := json.Unmarshal(entry.Value, &record); err != nil {
				return fmt.Errorf("%w: audit record %s: %w", index.ErrDamaged, entry.Key, err)
			}
			if !query.matches(record) {
				continue
			}
			if err := each(record); err != nil {
				return err
			}
		}
		if len(page) < auditPage {
			return nil
		}
		after = page[len(page)-1].Key
	}
}
