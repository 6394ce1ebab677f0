package config

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"
)

// ReferrersUpstream is a second registry, which keeps the manifests with a subject of
// some repositories.
type ReferrersUpstream struct {
	Repositories []string        `key:"repositories" doc:"Repositories of upstream.url, as patterns: * stands for any part of a name without a slash, ** for any part." required:"true"`
	URL          *url.URL        `key:"url" doc:"Base URL of the second registry, http or https, without /v2. It may be that of upstream.url, with a prefix." required:"true"`
	Prefix       string          `key:"prefix" doc:"What the names of the repositories begin with at the second registry, such as signatures; empty for the same names."`
	Service      UpstreamService `key:"service" doc:"Who backref is to the second registry, as upstream.service is for upstream.url. It needs to read, push and delete there."`
	TLS          UpstreamTLS     `key:"tls" doc:"How TLS is spoken to the second registry, as upstream.tls is for upstream.url."`
	Shims        []string        `key:"shims" doc:"What is made up for at the second registry, by the keys of upstream.shims, whatever is said there; none for nothing. Without any it is what upstream.shims says." enum:"none,ranges,locations,asked,deletes,chunks,hashes,digests,envelopes"`
	Transfer     time.Duration   `key:"transfer" doc:"How long it may take to bring the blobs of one push to the second registry; 5m where it is not set."`
}

// Key returns the section of the configuration that describes a second registry by its
// place in the list.
func (ReferrersUpstream) Key(at int) string { return fmt.Sprintf("referrers.upstream[%d]", at) }

// transferTime is how long blobs may be brought where nothing is set.
const transferTime = 5 * time.Minute

// TransferTime is how long it may take to bring the blobs of one push.
func (r ReferrersUpstream) TransferTime() time.Duration {
	if r.Transfer == 0 {
		return transferTime
	}
	return r.Transfer
}

// ReferrersSource is a registry that knows of further referrers of what upstream.url
// has in some repositories.
type ReferrersSource struct {
	Repositories []string        `key:"repositories" doc:"Repositories of upstream.url, as patterns: * stands for any part of a name without a slash, ** for any part." required:"true"`
	URL          *url.URL        `key:"url" doc:"Base URL of the source, http or https, without /v2." required:"true"`
	Strip        string          `key:"strip" doc:"What the names of the repositories begin with that they have not at the source, such as mirror for mirror/vendor/app. The source is for no other repositories then."`
	Prefix       string          `key:"prefix" doc:"What the names of the repositories begin with at the source, behind which the rest comes; empty for nothing."`
	Service      UpstreamService `key:"service" doc:"Who backref is to the source, as upstream.service is for upstream.url; without, it asks as anybody. It needs to read there."`
	TLS          UpstreamTLS     `key:"tls" doc:"How TLS is spoken to the source, as upstream.tls is for upstream.url."`
	Shims        []string        `key:"shims" doc:"What is made up for at the source, by the keys of upstream.shims, whatever is said there; none for nothing. Without any it is what upstream.shims says." enum:"none,ranges,locations,asked,deletes,chunks,hashes,digests,envelopes"`
}

// Key returns the section of the configuration that describes a source by its place in
// the list.
func (ReferrersSource) Key(at int) string { return fmt.Sprintf("referrers.sources[%d]", at) }

// validateStores checks the registries beside the first, each for itself. The syntax of
// their patterns is for who reads them.
func validateStores(cfg *Config, check func(path string, err error)) {
	for i, store := range cfg.Referrers.Upstream {
		key := store.Key(i)
		checkBeside(key, besideFirst{store.Repositories, store.URL, store.Service, store.TLS}, check)
		if first := cfg.Upstream.URL; store.Prefix == "" && first != nil && store.URL != nil && *store.URL == *first {
			check(key+".url", errors.New("is upstream.url: without a prefix the second registry would be the first"))
		}
		check(key+".prefix", errors.Join(checkPrefix(store.Prefix), checkApart(store, cfg.Referrers.Upstream[:i])))
		if store.Transfer < 0 || store.Transfer > maxDuration || store.Transfer > 0 && store.Transfer < minDuration {
			check(key+".transfer", fmt.Errorf("%s is not between a millisecond and a year", store.Transfer))
		}
		if !store.Service.Configured() {
			check(key+".service", errors.New("is needed, to keep manifests there; set anonymous where it lets anyone push"))
		}
	}
	for i, source := range cfg.Referrers.Sources {
		key := source.Key(i)
		checkBeside(key, besideFirst{source.Repositories, source.URL, source.Service, source.TLS}, check)
		check(key+".prefix", checkPrefix(source.Prefix))
		check(key+".strip", checkPrefix(source.Strip))
	}
}

// besideFirst is what is said of every registry beside the first.
type besideFirst struct {
	repositories []string
	url          *url.URL
	service      UpstreamService
	tls          UpstreamTLS
}

func checkBeside(key string, b besideFirst, check func(path string, err error)) {
	if len(b.repositories) == 0 {
		check(key+".repositories", errors.New("names no repositories"))
	}
	switch {
	case b.url == nil:
		check(key+".url", errors.New("is required"))
	case path.Base(b.url.Path) == "v2":
		check(key+".url", errors.New("must not end in /v2: it is added to every request"))
	}
	validateServiceAt(key+".service", b.service, check)
	checkUpstreamTLS(key, b.tls, b.url, check)
}

// checkApart makes sure that no two repositories have one name at a second registry: who
// may read the one would read the other.
func checkApart(store ReferrersUpstream, before []ReferrersUpstream) error {
	below := func(name, prefix string) bool { return prefix == "" || strings.HasPrefix(name, prefix+"/") }
	for i, other := range before {
		if store.URL == nil || other.URL == nil || *store.URL != *other.URL || store.Prefix == other.Prefix {
			continue
		}
		if below(store.Prefix, other.Prefix) || below(other.Prefix, store.Prefix) {
			return fmt.Errorf("%q and %q of %s lie one below the other at the same registry: two repositories could have one name there", store.Prefix, other.Prefix, other.Key(i))
		}
	}
	return nil
}

func checkPrefix(prefix string) error {
	component := `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
	if grammar := regexp.MustCompile(`^(` + component + `(/` + component + `)*)?$`); !grammar.MatchString(prefix) {
		return fmt.Errorf("%q can't begin the name of a repository: need lower case letters and digits, parts joined by slashes", prefix)
	}
	return nil
}
