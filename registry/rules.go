package registry

import (
	"context"
	"net/http"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
)

// Admit lets a caller in for an action in its repository, if the rules of the
// moment allow a client that (auth.mode service). It is false where they don't,
// and where the registry was made without rules.
func (r *Registry) Admit(caller *Caller, rules *policy.Access, client policy.Client, action policy.Action) bool {
	if r.options.Rules == nil || !rules.Allows(client, action, caller.repository) {
		return false
	}
	caller.admitted = action
	caller.grant = r.grantFor(caller.repository)
	return true
}

// rules is the [Writer] that refuses what the caller was not admitted for.
type rules struct {
	registry *Registry
	next     Writer
}

// Push implements [Writer].
func (w rules) Push(ctx context.Context, push *Push) (*http.Response, error) {
	if err := w.check(push.Caller, policy.Push); err != nil {
		return nil, err
	}
	return w.next.Push(ctx, push)
}

// Delete implements [Writer].
func (w rules) Delete(ctx context.Context, deletion *Deletion) (*http.Response, error) {
	if err := w.check(deletion.Caller, policy.Delete); err != nil {
		return nil, err
	}
	return w.next.Delete(ctx, deletion)
}

func (w rules) check(caller *Caller, action policy.Action) error {
	if w.registry.options.Rules == nil || caller.admitted == action {
		return nil
	}
	return &oci.Error{
		Status: http.StatusForbidden, Code: oci.CodeDenied,
		Message: "you are not allowed to do this; ask the operator of this proxy for the right", Rule: "auth.rules",
	}
}
