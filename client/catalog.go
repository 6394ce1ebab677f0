package client

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/backref/backref/oci"
)

// catalogPage is how many repositories are asked for at once.
const catalogPage = 1000

// Repositories hands the names of the repositories of a registry, in its order, to take
// until that wants no more; those behind after alone, which need not be there
// (distribution's catalog, GET /v2/_catalog).
func (c *Client) Repositories(ctx context.Context, host, after string, take func(name string) (more bool)) error {
	catalog := c.catalog(host)
	path := "/v2/_catalog?" + url.Values{"n": {strconv.Itoa(catalogPage)}, "last": {after}}.Encode()
	if after == "" {
		path = "/v2/_catalog?n=" + strconv.Itoa(catalogPage)
	}
	err := eachPage(ctx, catalog, path, func(page struct{ Repositories []string }) bool {
		for _, name := range page.Repositories {
			if oci.ValidRepository(name) && !take(name) {
				return false
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("list the repositories of %s: %w", host, err)
	}
	return nil
}

// catalog stands for all repositories of a host.
func (c *Client) catalog(host string) *Repository {
	return &Repository{Reference: Reference{Host: host}, http: c.http, once: c.once, base: c.Repository(Reference{Host: host}).base}
}

// AllRepositories returns the repositories of a host, as its catalog lists them to the
// user, in its order, whatever way the registry pages.
func (c *Client) AllRepositories(ctx context.Context, host string) ([]string, error) {
	all, err := listNames(ctx, c.catalog(host), "/v2/_catalog", func(page struct{ Repositories []string }) []string { return page.Repositories })
	if err != nil {
		return nil, fmt.Errorf("list the repositories of %s: %w", host, err)
	}
	return all, nil
}
