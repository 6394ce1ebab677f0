package options

import (
	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/shim"
)

// Shims returns what the configuration has made up for that the registry lacks.
// What has to be remembered for that is kept in a journal.
func Shims(on config.UpstreamShims, journal index.Journal, log *zap.Logger) []upstream.Shim {
	o := shim.Options{Ranges: on.Ranges, Locations: on.Locations, Asked: on.Asked, Deletes: on.Deletes, Chunks: on.Chunks}
	if on.Digests {
		o.Aliases = index.Aliases{Journal: journal}
		if on.Hashes {
			o.Hashes = index.Secrets{Journal: journal}
		}
	}
	if on.Envelopes {
		o.Envelopes = &shim.Envelopes{Log: log}
	}
	return o.Shims()
}
