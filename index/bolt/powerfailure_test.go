package bolt_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/opencontainers/go-digest"
)

// TestPowerFails opens the files that a commit leaves when the power fails while
// it is under way: with any of its pages written, whole or torn, while the disk
// may write them in any order; and, when it has them all, with a meta page that
// is torn. What was acknowledged is there in each, and nothing of the change,
// until the meta page is whole.
func TestPowerFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	store := mustOpen(t, path)
	defer func() { must(t, store.Close()) }()
	must(t, store.SetOutbox(t.Context(), true))
	var listed []string
	images := 0
	for round := range 12 {
		before, was := read(t, path), slices.Clone(listed)
		what := fmt.Sprint(round)
		if round%4 == 3 {
			what, listed = listed[0], listed[1:]
			remove(t, store, what)
		} else {
			listed = append(listed, what)
			push(t, store, someRecord(what, "subject"))
			// That was two commits, of which the next makes the last alone.
			before, was = read(t, path), slices.Clone(listed)
			listed = append(listed, what+" seen")
			must(t, store.Observe(t.Context(), 0, someRecord(what+" seen", "subject")))
		}
		c := newCommit(t, before, read(t, path))
		if c.meta < 0 {
			continue // The upkeep made a commit of its own.
		}
		for image := range c.unfinished() {
			images++
			wantImage(t, image, was)
		}
		wantImage(t, c.after, listed)
	}
	if images < 50 {
		t.Fatalf("%d images were opened", images)
	}
	t.Logf("%d images", images)
}

func remove(t *testing.T, store *bolt.Store, what string) {
	t.Helper()
	mark, err := store.Mark(t.Context())
	must(t, err)
	must(t, store.Forget(t.Context(), mark, repo, digest.FromString(what)))
}

// commitImage is the file before and after one commit.
type commitImage struct {
	before, after []byte
	size          int
	// pages are those that differ but for meta, which is -1 where both meta pages
	// do.
	pages []int
	meta  int
}

func newCommit(t *testing.T, before, after []byte) commitImage {
	t.Helper()
	const sizeField = 16 + 8 // Behind the header of the page, magic and version.
	c := commitImage{after: after, size: int(binary.NativeEndian.Uint32(after[sizeField:]))}
	// The file grows before pages are written.
	c.before = append(slices.Clip(before), make([]byte, len(after)-len(before))...)
	metas := 0
	for page := range len(after) / c.size {
		switch {
		case bytes.Equal(c.page(c.before, page), c.page(after, page)):
		case page < 2:
			metas, c.meta = metas+1, page
		default:
			c.pages = append(c.pages, page)
		}
	}
	if metas != 1 {
		c.meta = -1
	}
	return c
}

func (c commitImage) page(image []byte, page int) []byte {
	return image[page*c.size : (page+1)*c.size]
}

// unfinished yields the images of a commit that is not carried to its end.
func (c commitImage) unfinished() func(yield func([]byte) bool) {
	write := func(image []byte, page, n int) { copy(c.page(image, page)[:n], c.page(c.after, page)) }
	return func(yield func([]byte) bool) {
		for range 6 {
			image := slices.Clone(c.before)
			for _, page := range c.pages {
				switch rand.IntN(3) {
				case 0:
					write(image, page, c.size)
				case 1:
					write(image, page, rand.IntN(c.size))
				}
			}
			if !yield(image) {
				return
			}
		}
		all := slices.Clone(c.before)
		for _, page := range c.pages {
			write(all, page, c.size)
		}
		const metaEnd = 80
		for n := 0; n < metaEnd; n += 8 {
			image := slices.Clone(all)
			if write(image, c.meta, n); !bytes.Equal(c.page(image, c.meta), c.page(c.after, c.meta)) && !yield(image) {
				return
			}
		}
	}
}

// wantImage opens an image and checks what is listed.
func wantImage(t *testing.T, image []byte, want []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.db")
	must(t, os.WriteFile(path, image, 0o600))
	defer func() { must(t, os.Remove(path)) }()
	checkTree(t, path)
	store := mustOpen(t, path)
	wantListed(t, store, want...)
	page, err := store.Referrers(t.Context(), repo, digest.FromString("subject"), index.Query{})
	must(t, err)
	if len(page.Referrers) != len(want) {
		t.FailNow()
	}
	must(t, store.Observe(t.Context(), 0, someRecord("next", "subject")))
	wantListed(t, store, append(slices.Clone(want), "next")...)
	must(t, store.Close())
	checkTree(t, path)
}
