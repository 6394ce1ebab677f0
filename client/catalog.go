package client

import (
	"context"
	"fmt"

	"github.com/backref/backref/oci"
)

// catalogPath is that of the list of repositories (distribution's catalog).
const catalogPath = "/v2/_catalog"

// Repositories hands the names of the repositories of a registry, as its catalog lists
// them to the user and in its order, to take until that wants no more; those behind after
// alone, which need not be there. The registry may page as it likes.
func (c *Client) Repositories(ctx context.Context, host, after string, take func(name string) (more bool)) error {
	named := func(page struct{ Repositories []string }) []string { return page.Repositories }
	if err := eachName(ctx, c.catalog(host), oci.NewPagesBehind(catalogPath, after), named, take); err != nil {
		return fmt.Errorf("list the repositories of %s: %w", host, err)
	}
	return nil
}

// AllRepositories returns the repositories that [Client.Repositories] hands on.
func (c *Client) AllRepositories(ctx context.Context, host string) ([]string, error) {
	var all []string
	err := c.Repositories(ctx, host, "", func(name string) bool {
		all = append(all, name)
		return true
	})
	return all, err
}

// catalog stands for all repositories of a host.
func (c *Client) catalog(host string) *Repository {
	return &Repository{Reference: Reference{Host: host}, http: c.http, once: c.once, base: c.Repository(Reference{Host: host}).base}
}
