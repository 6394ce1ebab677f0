package registry

import (
	"context"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
)

// Repositories returns up to limit repositories of the upstream's catalog that the
// rules of the moment let a client pull from, those behind the given one, in the upstream's
// order, and whether there are more. It asks as the service, and is for
// auth.mode service alone. Errors are those of the upstream's list, among them that
// it has more than limits.listEntries.
func (r *Registry) Repositories(ctx context.Context, rules *policy.Access, client policy.Client, last string, limit int) (page []string, more bool, err error) {
	page = []string{}
	if limit == 0 || !rules.AllowsSomewhere(client, policy.Pull) {
		return page, false, nil
	}
	as, _ := r.upstream.Service()
	// A list that begins before the given name, as it seems to, may come to it yet:
	// then what is behind that counts, else all of it.
	first, early := true, false
	for repository, err := range r.upstream.RepositoriesBehind(ctx, as, last, r.Limits().ListEntries) {
		if err != nil {
			return nil, false, err
		}
		if first {
			first, early = false, repository <= last
		}
		switch {
		case repository == last:
			page, more, early = page[:0], false, false
		case !oci.ValidRepository(repository) || !rules.Allows(client, policy.Pull, repository):
		case len(page) < limit:
			page = append(page, repository)
		case early:
			more = true
		default:
			return page, true, nil
		}
	}
	return page, more, nil
}
