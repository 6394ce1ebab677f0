package options

import (
	"fmt"
	"net/url"
	"strings"

	"go.uber.org/zap"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/shim"
	"github.com/backref/backref/upstream/split"
)

// Split returns what the configuration has kept beside the registry at upstream.url,
// each registry with what is made up for there, as a journal remembers it. adapt may add
// to the options of each. It fails
// where a pattern can't be read; the error names its key.
func Split(cfg config.Config, journal index.Journal, log *zap.Logger, adapt func(*upstream.Options)) (split.Options, error) {
	o := split.Options{Tags: cfg.Limits.ListEntries, Entries: cfg.Limits.TagEntries, Cache: cfg.Upstream.Cache, Log: log}
	aliases := index.Aliases{Journal: journal}
	for i, store := range cfg.Referrers.Upstream {
		at := Store(cfg, i)
		at.Shims = shims(cfg.Upstream.Shims.Of(store.Shims), besideAliases(at.URL, aliases), journal, log)
		registry, globs, err := beside(at, store.Repositories, adapt)
		if err != nil {
			return o, err
		}
		o.Stores = append(o.Stores, split.Store{
			Key: at.Key, Repositories: globs, Prefix: store.Prefix, Registry: registry, Host: store.URL.Host, Transfer: store.TransferTime(),
		})
	}
	for i, source := range cfg.Referrers.Sources {
		at := FurtherSource(cfg, i)
		at.Shims = shims(cfg.Upstream.Shims.Of(source.Shims), besideAliases(at.URL, aliases), journal, log)
		registry, globs, err := beside(at, source.Repositories, adapt)
		if err != nil {
			return o, err
		}
		o.Sources = append(o.Sources, split.Source{
			Key: at.Key, Repositories: globs, Strip: source.Strip, Prefix: source.Prefix, Registry: registry, Host: source.URL.Host,
		})
	}
	return o, nil
}

// besideAliases are those of a registry beside the first, by its address and the names
// that it has for its repositories: the first may have one of the same name. No
// repository begins with a slash.
func besideAliases(at *url.URL, aliases shim.Aliases) shim.Aliases {
	if at == nil {
		return aliases
	}
	return below{"//" + at.Host + strings.TrimSuffix(at.Path, "/"), aliases}
}

// beside returns a registry beside the first, and the repositories that it is for.
func beside(at upstream.Options, repositories []string, adapt func(*upstream.Options)) (*upstream.Registry, []oci.Glob, error) {
	globs, err := globs(repositories)
	if err != nil {
		return nil, nil, fmt.Errorf("%s.repositories: %w", at.Key, err)
	}
	adapt(&at)
	registry, err := upstream.New(at)
	return registry, globs, err
}

// Store returns what the configuration says of a second registry, by its place in the
// list.
func Store(cfg config.Config, at int) upstream.Options {
	store, own := cfg.Referrers.Upstream[at], cfg.Upstream
	own.URL, own.Service, own.TLS = store.URL, store.Service, store.TLS
	o := Upstream(own)
	o.Key = store.Key(at)
	return o
}

// FurtherSource returns what the configuration says of a source of further referrers, by
// its place in the list.
func FurtherSource(cfg config.Config, at int) upstream.Options {
	source, own := cfg.Referrers.Sources[at], cfg.Upstream
	own.URL, own.Service, own.TLS = source.URL, source.Service, source.TLS
	o := Upstream(own)
	o.Key = source.Key(at)
	return o
}

func globs(patterns []string) ([]oci.Glob, error) {
	all := make([]oci.Glob, 0, len(patterns))
	for _, pattern := range patterns {
		glob, err := oci.ParseGlob(pattern)
		if err != nil {
			return nil, err
		}
		all = append(all, glob)
	}
	return all, nil
}
