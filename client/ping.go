package client

import (
	"context"
	"fmt"
	"net/http"
)

// Ping asks a registry whether it takes who asks (distribution specification, end-1).
// A registry may let anybody in there.
func (c *Client) Ping(ctx context.Context, host string) error {
	registry := c.catalog(host)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, registry.base+"/v2/", nil)
	if err != nil {
		return err
	}
	resp, err := registry.do(req, http.StatusOK)
	if err != nil {
		return fmt.Errorf("sign in at %s: %w", host, err)
	}
	return resp.Body.Close()
}
