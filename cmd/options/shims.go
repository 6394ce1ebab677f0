package options

import (
	"github.com/backref/backref/config"
	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/shim"
)

// Shims returns what the configuration has made up for that the registry lacks.
func Shims(cfg config.UpstreamShims) []upstream.Shim {
	return shim.Options{Ranges: cfg.Ranges, Chunks: cfg.Chunks}.Shims()
}
