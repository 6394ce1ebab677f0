package options

import (
	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/shim"
)

// Shims returns what the configuration has made up for that the registry lacks.
// What has to be remembered for that is kept in a journal.
func Shims(cfg config.UpstreamShims, journal index.Journal) []upstream.Shim {
	o := shim.Options{Ranges: cfg.Ranges, Chunks: cfg.Chunks}
	if cfg.Digests {
		o.Aliases = index.Aliases{Journal: journal}
	}
	return o.Shims()
}
