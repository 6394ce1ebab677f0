package proxy

import (
	"net/http"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/registry"
)

// ruleAccess names in the audit the rules of auth.mode service, which have no
// names of their own: what none of them allows is refused.
const ruleAccess = "auth.rules"

// auditDenial tells the audit of a refusal of our own, and of no other error.
func (p *Proxy) auditDenial(r *http.Request, refusal *oci.Error) {
	if refusal.Status == http.StatusForbidden && refusal.Code == oci.CodeDenied {
		p.auditDenied(r, refusal.Rule, refusal.Message)
	}
}

// auditDenied tells the audit that a request was denied by a rule.
func (p *Proxy) auditDenied(r *http.Request, rule, reason string) {
	target := entryOf(r).path
	p.registry.Audit(r.Context(), registry.AuditEvent{
		Outcome: registry.AuditDenied, Action: p.actionOf(r, target), Rule: rule, Reason: reason,
		Repository: target.repository, Tag: target.tag, Digest: target.digest,
	})
}

// actionOf returns what a request asks for, as the audit calls it.
func (p *Proxy) actionOf(r *http.Request, target path) string {
	needs := p.routeOf(target, r.Method).need
	switch {
	case needs.action != "":
		return string(needs.action)
	case needs.everything:
		return string(policy.Admin)
	default:
		return string(policy.Pull)
	}
}

// deleteBlob passes the delete of a blob on (end-10).
func (p *Proxy) deleteBlob(w http.ResponseWriter, r *http.Request, target path) error {
	resp, err := p.forward(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusOK && resp.StatusCode < http.StatusMultipleChoices {
		p.registry.AuditBlob(r.Context(), p.callerOf(r, target), target.digest)
	}
	return p.relay(w, r, resp)
}
