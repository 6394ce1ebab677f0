package client

import (
	"context"
	"fmt"
)

// Repositories returns the repositories of a host, as its catalog lists them to the
// user, in its order.
func (c *Client) Repositories(ctx context.Context, host string) ([]string, error) {
	catalog := c.Repository(Reference{Host: host})
	all, err := listNames(ctx, catalog, "/v2/_catalog", func(page struct{ Repositories []string }) []string { return page.Repositories })
	if err != nil {
		return nil, fmt.Errorf("list repositories of %s: %w", host, err)
	}
	return all, nil
}
