package options

import (
	"context"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/shim"
)

// Shims returns what the configuration has made up for that the registry lacks.
// What has to be remembered for that is kept in a journal.
func Shims(on config.UpstreamShims, journal index.Journal, log *zap.Logger) []upstream.Shim {
	return shims(on, index.Aliases{Journal: journal}, journal, log)
}

// below are the aliases of one of several registries, by names with a prefix that no
// other has: another registry may have a repository of the same name. Those of a route
// have the prefix by which they are reached.
type below struct {
	prefix  string
	aliases shim.Aliases
}

// Alias implements [shim.Aliases].
func (b below) Alias(ctx context.Context, repository string, named digest.Digest) (digest.Digest, error) {
	return b.aliases.Alias(ctx, b.prefix+"/"+repository, named)
}

// SetAlias implements [shim.Aliases].
func (b below) SetAlias(ctx context.Context, repository string, named, kept digest.Digest) error {
	return b.aliases.SetAlias(ctx, b.prefix+"/"+repository, named, kept)
}

func shims(on config.UpstreamShims, aliases shim.Aliases, journal index.Journal, log *zap.Logger) []upstream.Shim {
	o := shim.Options{Ranges: on.Ranges, Locations: on.Locations, Asked: on.Asked, Deletes: on.Deletes, Chunks: on.Chunks}
	if on.Digests {
		o.Aliases = aliases
		if on.Hashes {
			o.Hashes = index.Secrets{Journal: journal}
		}
	}
	if on.Envelopes {
		o.Envelopes = &shim.Envelopes{Log: log}
	}
	return o.Shims()
}
