package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/registry"
)

func newAudit(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "List what was denied and deleted, by whom and which rule",
		Long: "List the denials and deletions that the index keeps (audit.keep, audit.entries), the\n" +
			"oldest first: of the server at --admin, or of an index as the index commands find it.",
		Example: "  backref audit --since 24h --repository 'team/**'",
		Args:    noArguments,
	}
	var since, until, repository string
	var query reconcile.AuditQuery
	on, out := addIndex(cmd, environ, false), addOutput(cmd)
	cmd.Flags().StringVar(&since, "since", "", "only from a `time` on: of RFC 3339, or how long ago, as 24h")
	cmd.Flags().StringVar(&until, "until", "", "only before a `time`, as for --since")
	cmd.Flags().StringVar(&repository, "repository", "", "only of repositories that match a `pattern`: * within a part of the name, ** for any")
	cmd.Flags().StringVar(&query.Rule, "rule", "", "only by the rule of that `name`")
	cmd.Flags().StringVar(&query.Outcome, "outcome", "", "only denied or deleted")
	completeValues(cmd, "outcome", registry.AuditDenied, registry.AuditDeleted)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		now := time.Now()
		var errs [4]error
		query.Since, errs[0] = pastTime("--since", since, now)
		query.Until, errs[1] = pastTime("--until", until, now)
		query.Repository, errs[2] = parsePattern(repository)
		if query.Outcome != "" && query.Outcome != registry.AuditDenied && query.Outcome != registry.AuditDeleted {
			errs[3] = usageError{fmt.Errorf("--outcome %q: need %s or %s", query.Outcome, registry.AuditDenied, registry.AuditDeleted)}
		}
		if err := cmp.Or(errs[0], errs[1], errs[2], errs[3]); err != nil {
			return err
		}
		records := []reconcile.AuditRecord{}
		err := on.run(cmd, func(ctx context.Context, m maintenance) error {
			return m.Audit(ctx, query, func(record reconcile.AuditRecord) error {
				records = append(records, record)
				return nil
			})
		})
		if err != nil {
			return err
		}
		return out.audit(records)
	}
	return cmd
}

// pastTime reads a time, or how long ago it was; the zero time for no text.
func pastTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, usageError{fmt.Errorf("%s %q: need a time such as 2026-01-31T12:00:00Z, or a duration such as 24h", flag, text)}
	}
	return at, nil
}

func parsePattern(text string) (oci.Glob, error) {
	if text == "" {
		return oci.Glob{}, nil
	}
	glob, err := oci.ParseGlob(text)
	if err != nil {
		return glob, usageError{fmt.Errorf("--repository: %w", err)}
	}
	return glob, nil
}

// audit prints records of the audit.
func (o *output) audit(records []reconcile.AuditRecord) error {
	var digests []string
	for _, record := range records {
		if record.Digest != "" {
			digests = append(digests, record.Digest.String())
		}
	}
	return o.print(records, digests, func(s *sheet) {
		rows := make([][]string, len(records))
		for i, r := range records {
			rows[i] = []string{
				r.Time.UTC().Format(time.RFC3339), r.Outcome, r.Action, s.audited(r), cmp.Or(r.Rule, "-"), askedBy(r), cmp.Or(r.Client, "-"),
				timesText(r), r.Listener, r.UserAgent, r.Request, r.Reason,
			}
		}
		s.table([]column{
			{name: "TIME"}, {name: "OUTCOME"}, {name: "ACTION"}, {name: "WHAT", cut: true}, {name: "RULE", cut: true}, {name: "USER", cut: true}, {name: "CLIENT"},
			{name: "TIMES"}, {name: "LISTENER", wide: true}, {name: "PROGRAM", wide: true}, {name: "REQUEST", wide: true}, {name: "REASON", wide: true},
		}, rows)
	})
}

// audited names what a record is about.
func (s *sheet) audited(r reconcile.AuditRecord) string {
	what := cmp.Or(r.Repository, "-")
	if r.Tag != "" {
		what += ":" + r.Tag
	}
	if r.Digest != "" {
		what += "@" + s.digest(r.Digest)
	}
	return what
}

// askedBy names who asked; with a question mark whom nobody has vouched for.
func askedBy(r reconcile.AuditRecord) string {
	if r.UserClaimed {
		return r.User + "?"
	}
	return cmp.Or(r.User, "-")
}

func timesText(r reconcile.AuditRecord) string {
	return strconv.Itoa(max(1, r.Repeated))
}

// Audit implements maintenance.
func (c *adminClient) Audit(ctx context.Context, query reconcile.AuditQuery, each func(reconcile.AuditRecord) error) error {
	path := "/admin/audit"
	if values := query.Values(); len(values) > 0 {
		path += "?" + values.Encode()
	}
	body, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	for lines := json.NewDecoder(body); ; {
		var record reconcile.AuditRecord
		switch err := lines.Decode(&record); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the server broke off: %w", err)
		}
		if err := each(record); err != nil {
			return err
		}
	}
}

// Audit implements maintenance.
func (o *ownMaintenance) Audit(ctx context.Context, query reconcile.AuditQuery, each func(reconcile.AuditRecord) error) error {
	return reconcile.ReadAudit(ctx, o.store, query, each)
}
