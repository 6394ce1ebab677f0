package transfer

import (
	"context"

	"github.com/backref/backref/client"
)

// OpenGraph opens a location to look at what hangs together there, and reads the
// manifest that it names. A registry is reached by the given client.
func OpenGraph(ctx context.Context, at Location, by *client.Client) (client.Graph, client.Manifest, error) {
	from, err := openSource(ctx, Request{Source: at, From: by})
	if err != nil {
		return nil, client.Manifest{}, err
	}
	root, _, err := from.Resolve(ctx)
	return from, root, err
}
