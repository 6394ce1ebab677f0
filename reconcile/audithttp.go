package reconcile

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/oci"
)

// auditPatience bounds how long who reads the audit waits for what is being
// written.
const auditPatience = 2 * time.Second

// Values returns the parameters of the admin API that say what is wanted.
func (q AuditQuery) Values() url.Values {
	values := url.Values{}
	set := func(name, text string) {
		if text != "" {
			values.Set(name, text)
		}
	}
	if !q.Since.IsZero() {
		set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		set("until", q.Until.UTC().Format(time.RFC3339Nano))
	}
	set("repository", q.Repository.String())
	set("rule", q.Rule)
	set("outcome", q.Outcome)
	return values
}

// parseAuditQuery reads what [AuditQuery.Values] writes. What it does not know it
// refuses: it might leave something out.
func parseAuditQuery(values url.Values) (q AuditQuery, err error) {
	q.Rule, q.Outcome = values.Get("rule"), values.Get("outcome")
	for name, given := range values {
		if len(given) > 1 {
			return q, &auditQueryError{name + ": give it once"}
		}
		switch name {
		case "since", "until":
			at, err := time.Parse(time.RFC3339Nano, given[0])
			if err != nil {
				return q, &auditQueryError{name + ": need a time of RFC 3339"}
			}
			if name == "since" {
				q.Since = at
			} else {
				q.Until = at
			}
		case "repository":
			if q.Repository, err = oci.ParseGlob(given[0]); err != nil {
				return q, &auditQueryError{"repository: " + err.Error()}
			}
		case "rule", "outcome":
		default:
			return q, &auditQueryError{name + ": there is no such parameter"}
		}
	}
	return q, nil
}

// auditQueryError says what is wrong with a query.
type auditQueryError struct{ reason string }

func (e *auditQueryError) Error() string { return e.reason }

// serveAudit sends the records of the audit, one JSON object a line.
func (r *Reconciler) serveAudit(w http.ResponseWriter, req *http.Request) {
	query, err := parseAuditQuery(req.URL.Query())
	if err != nil {
		writeError(w, http.StatusBadRequest, oci.CodeUnsupported, err.Error())
		return
	}
	if r.settings.Audit != nil {
		ctx, cancel := context.WithTimeout(req.Context(), auditPatience)
		r.settings.Audit.wait(ctx)
		cancel()
	}
	w.Header().Set("Content-Type", "application/jsonl")
	encoder := json.NewEncoder(w)
	if err := r.Audit(req.Context(), query, func(record AuditRecord) error { return encoder.Encode(record) }); err != nil {
		r.log.Error("answer broken off", zap.String("path", req.URL.Path), zap.Error(err))
		panic(http.ErrAbortHandler)
	}
}

// Audit gives each wanted record of the audit to each: see [ReadAudit].
func (r *Reconciler) Audit(ctx context.Context, query AuditQuery, each func(AuditRecord) error) error {
	return ReadAudit(ctx, r.store, query, each)
}
