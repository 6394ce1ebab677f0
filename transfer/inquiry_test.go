package transfer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// foreseeing is a source that notes what it is asked.
type foreseeing struct {
	source
	leaves map[digest.Digest]bool
	tags   []string
	err    error

	mutex sync.Mutex
	asked []string
}

func (f *foreseeing) Leaves(context.Context, digest.Digest) (map[digest.Digest]bool, error) {
	return f.leaves, f.err
}

func (f *foreseeing) AllTagNames(context.Context) ([]string, error) { return f.tags, f.err }

func (f *foreseeing) Referrers(_ context.Context, subject digest.Digest, query index.Query) ([]oci.Descriptor, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	text := string(subject)
	if query.Legacy {
		text += " legacy"
	}
	f.asked = append(f.asked, text)
	return nil, nil
}

// Of many manifests only those are asked for that may have referrers, and legacy ones
// only of those that a tag of cosign is named after. Where nothing can be told
// beforehand, or of few, each is asked for.
func TestReferrersThatCannotBeAreNotAskedFor(t *testing.T) {
	leaf, branch, signed := digest.FromString("leaf"), digest.FromString("branch"), digest.FromString("signed")
	all := []string{string(leaf) + " legacy", string(branch) + " legacy", string(signed) + " legacy"}
	for _, c := range []struct {
		name  string
		count int
		err   error
		want  []string
	}{
		{"many", worthForeseeing, nil, []string{string(branch), string(signed) + " legacy"}},
		{"few", worthForeseeing - 1, nil, all},
		{"no list", worthForeseeing, errors.New("no list"), all},
	} {
		src := &foreseeing{leaves: map[digest.Digest]bool{leaf: true, signed: true}, tags: []string{"v1", oci.CosignTags(signed)[0]}, err: c.err}
		if c.err != nil {
			src.leaves, src.tags = nil, nil
		}
		asked := newInquiry(src, branch, Request{Referrers: true, Filter: index.Query{Legacy: true}}, newPool(1))
		asked.expect(t.Context(), c.count)
		for _, subject := range []digest.Digest{leaf, branch, signed} {
			if _, err := asked.referrers(t.Context(), subject, index.Query{Legacy: true}); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(src.asked, c.want) {
			t.Errorf("%s: asked for %v, want %v", c.name, src.asked, c.want)
		}
	}
}
