package registry

import (
	"net/http"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
)

// Policies returns the rules of the life cycle that count now.
func (r *Registry) Policies() *policy.Policies { return r.policies.Load() }

// SetPolicies has other rules of the life cycle count from now on. It may be
// called at any time.
func (r *Registry) SetPolicies(p policy.Policies) {
	r.policies.Store(&p)
	r.locked.forget()
}

// Denied is the answer to what a rule denies. what names it, as the subject of
// the sentence: "tag v1 can't be moved".
func Denied(decision policy.Decision, what string) *oci.Error {
	message := what + ": rule " + decision.Rule
	if decision.Reason != "" {
		message += ", because " + decision.Reason
	}
	return &oci.Error{Status: http.StatusForbidden, Code: oci.CodeDenied, Message: message, Rule: decision.Rule}
}
