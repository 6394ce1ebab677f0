package options

import (
	"context"
	"net/url"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream/shim"
)

// remembered is what is known of blobs by repository.
type remembered map[string]digest.Digest

func (r remembered) Alias(_ context.Context, repository string, named digest.Digest) (digest.Digest, error) {
	return r[repository+"@"+named.String()], nil
}

func (r remembered) SetAlias(_ context.Context, repository string, named, kept digest.Digest) error {
	r[repository+"@"+named.String()] = kept
	return nil
}

// What a registry beside the first keeps by another digest is not believed of a
// repository of the same name in the first, nor in another one beside.
func TestAliasesBesideAreApart(t *testing.T) {
	all := remembered{}
	beside := func(at string) shim.Aliases {
		return besideAliases(&url.URL{Scheme: "https", Host: at, Path: "/"}, all)
	}
	named, kept := digest.SHA512.FromString("x"), digest.FromString("x")
	if err := beside("source.example").SetAlias(t.Context(), "app", named, kept); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		in   shim.Aliases
		want digest.Digest
	}{{"itself", beside("source.example"), kept}, {"another one beside", beside("other.example"), ""}, {"the first", all, ""}} {
		if found, err := tt.in.Alias(t.Context(), "app", named); err != nil || found != tt.want {
			t.Errorf("in %s: %q, %v; want %q", tt.name, found, err, tt.want)
		}
	}
}

// What the registry of a route keeps by another digest is not believed of a
// repository of the same name elsewhere.
func TestAliasesOfRoutesAreApart(t *testing.T) {
	all := remembered{}
	hub := below{"hub", all}
	named, kept := digest.SHA512.FromString("x"), digest.FromString("x")
	if err := hub.SetAlias(t.Context(), "app", named, kept); err != nil {
		t.Fatal(err)
	}
	if found, err := hub.Alias(t.Context(), "app", named); err != nil || found != kept {
		t.Errorf("in its own registry: %s, %v", found, err)
	}
	if found, err := all.Alias(t.Context(), "app", named); err != nil || found != "" {
		t.Errorf("in the other: %s, %v", found, err)
	}
}
