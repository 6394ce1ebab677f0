package shim_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream/shim"
)

// known are aliases in memory.
type known struct {
	mu  sync.Mutex
	all map[string]digest.Digest
}

func (k *known) Alias(_ context.Context, repository string, named digest.Digest) (digest.Digest, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.all[repository+" "+named.String()], nil
}

func (k *known) SetAlias(_ context.Context, repository string, named, kept digest.Digest) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all[repository+" "+named.String()] = kept
	return nil
}

// TestLearnsAliasesOfWhatIsVerified has a blob be found by another digest only where the
// registry can be known to have compared it with that.
func TestLearnsAliasesOfWhatIsVerified(t *testing.T) {
	named, other := digest.SHA512.FromString("blob"), digest.FromString("something else")
	kept := digest.FromString("blob")
	pushed := func(blob digest.Digest) said {
		return said{http.StatusCreated, map[string]string{"Docker-Content-Digest": blob.String(), "Location": "/v2/app/blobs/" + blob.String()}, ""}
	}
	for _, tt := range []struct {
		name, method, target string
		header               map[string]string
		says, want           digest.Digest
	}{
		{"an upload", http.MethodPut, "/v2/app/blobs/uploads/1?digest=" + named.String(), nil, kept, kept},
		{"an upload elsewhere", http.MethodPut, "/v2/uploads?digest=" + named.String(), nil, kept, kept},
		{"a whole one", http.MethodPost, "/v2/app/blobs/uploads/?digest=" + named.String(), nil, kept, kept},
		{"a manifest", http.MethodPut, "/v2/app/manifests/v1?digest=" + named.String(), nil, other, ""},
		{"two digests", http.MethodPut, "/v2/app/blobs/uploads/1?digest=" + named.String() + "&digest=" + other.String(), nil, other, ""},
		{"what could be a form", http.MethodPut, "/v2/app/blobs/uploads/1?digest=" + named.String(), map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, kept, kept},
		{"a mount", http.MethodPost, "/v2/app/blobs/uploads/?from=base&mount=" + named.String(), nil, kept, kept},
		{"a mount of what is not known", http.MethodPost, "/v2/app/blobs/uploads/?from=none&mount=" + named.String() + "&digest=" + other.String(), nil, other, ""},
		{"another blob for a mount", http.MethodPost, "/v2/app/blobs/uploads/?from=base&mount=" + named.String() + "&digest=" + other.String(), nil, other, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			aliases := &known{all: map[string]digest.Digest{"base " + named.String(): kept}}
			l := newLackingFunc(t, shim.Options{Aliases: aliases}, func(string) said { return pushed(tt.says) })
			if got := l.send(t, tt.method, tt.target, "", tt.header); got.status != http.StatusCreated {
				t.Errorf("got %+v", got)
			}
			if l.forms {
				t.Error("the registry may read parameters from the body")
			}
			if got, err := aliases.Alias(t.Context(), "app", named); got != tt.want || err != nil {
				t.Errorf("the blob is known as %q, want %q", got, tt.want)
			}
		})
	}
}
