package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/backref/backref/transfer"
	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/shim"
)

func newEnvelopesUnwrap() *cobra.Command {
	cmd := &cobra.Command{
		Use: "unwrap SRC DST", Short: "Copy a repository, and write out what is in its envelopes",
		Long: "Copy a repository of the registry behind backref with all its tags and referrers, as\n" +
			"backref would show it: of what is kept in envelopes the manifests themselves, byte for\n" +
			"byte, with their blobs. SRC is the repository at that registry, DST one of another\n" +
			"registry, or a layout (oci:DIR, oci-archive:FILE), that takes such manifests. So the\n" +
			"content can be read by any client when backref is no longer there.\n\n" +
			"Nothing changes in SRC. What is in the target already is left alone: a copy that was\n" +
			"stopped goes on where it was when it is run again.",
		Example: "  backref envelopes unwrap registry.internal:5000/app registry.example.com/app\n" +
			"  backref envelopes unwrap registry.internal:5000/app oci:app",
		Args:        arguments("SRC", "DST"),
		Annotations: map[string]string{goesOn: "what was copied stays"},
	}
	c := &copying{
		referrers: allReferrers, from: addAccess(cmd, "from-"), to: addAccess(cmd, "to-"), tags: &copyTags{all: true}, format: addCopyOutput(cmd),
		legacy: func() bool { return true },
	}
	addQuiet(cmd)
	cmd.Flags().IntVar(&c.request.Concurrency, "concurrency", transfer.DefaultConcurrency, "how many requests are under way at once, as a `number`")
	cmd.Flags().BoolVar(&c.tags.dryRun, "dry-run", false, "print what would be copied, and change nothing")
	cmd.ValidArgsFunction = completeLocations(c.from, 2)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		source, err := transfer.ParseLocation(args[0])
		if err != nil {
			return usageError{err}
		}
		if source.Kind != transfer.Registry {
			return usageError{errors.New("SRC has to be a repository of a registry: a layout has no envelopes")}
		}
		unwrapping, err := c.from.unwrapping(source.Reference.Host)
		if err != nil {
			return err
		}
		defer unwrapping.Close()
		return c.run(cmd, args)
	}
	return cmd
}

// unwrapping has a host reached by what opens envelopes.
func (a *access) unwrapping(host string) (*upstream.Registry, error) {
	if a.insecure {
		return nil, usageError{errors.New("--from-insecure: envelopes are read from a registry whose certificate is verified; trust it by --from-ca-file")}
	}
	base := &url.URL{Scheme: "https", Host: host}
	plain, err := a.speaksPlain(host)
	if err != nil {
		return nil, err
	}
	if plain {
		base.Scheme = "http"
	}
	registry, err := upstream.New(upstream.Options{
		URL: base, TLS: upstream.TLS{CAFile: a.caFile}, Proxy: http.ProxyFromEnvironment,
		Shims: shim.Options{Aliases: &aliases{known: map[alias]digest.Digest{}}, Envelopes: &shim.Envelopes{}}.Shims(),
	})
	if err != nil {
		return nil, err
	}
	a.around = func(direct http.RoundTripper) http.RoundTripper {
		return shim.Transport{Registry: registry, Host: host, Direct: direct}
	}
	return registry, nil
}

// speaksPlain tells whether a host is spoken to without TLS.
func (a *access) speaksPlain(host string) (bool, error) {
	c, err := a.client()
	if err != nil {
		return false, err
	}
	return c.Plain(host), nil
}

// aliases are what the envelopes that were read so far say of blobs.
type aliases struct {
	mutex sync.Mutex
	known map[alias]digest.Digest
}

// alias is how a manifest of a repository calls a blob.
type alias struct {
	repository string
	named      digest.Digest
}

// Alias implements [shim.Aliases].
func (a *aliases) Alias(_ context.Context, repository string, named digest.Digest) (digest.Digest, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.known[alias{repository, named}], nil
}

// SetAlias implements [shim.Aliases].
func (a *aliases) SetAlias(_ context.Context, repository string, named, kept digest.Digest) error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.known[alias{repository, named}] = kept
	return nil
}
