package requirements

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// F6: referrers tags are left out of tags/list, and its pages have no gaps,
// whether the registry pages itself (3.x) or not (2.8).
func TestF6ReferrersTagsAreHidden(t *testing.T) {
	for hide, hidden := range map[string]int{"none": 0, "referrers": 15, "referrers+cosign": 30} {
		t.Run(hide, func(t *testing.T) {
			onEach(t, func(t *testing.T, s stage) {
				visible := []string{"1.0", "latest", "s", "sha256-short", "shb", "v1", "v2"}
				var others []string
				image := rig.Image("f6")
				for i := range 15 {
					subject := digest.FromString(fmt.Sprint(i))
					tag := "sha256-" + subject.Encoded()
					others = append(others, tag, tag+".sig")
					referrer := rig.Artifact("application/vnd.example", "f6", rig.Descriptor{MediaType: rig.ImageManifest, Digest: subject, Size: 1})
					rig.Push(t, s.registry.URL, "app", "", referrer).Want(t, http.StatusCreated)
					rig.Push(t, s.registry.URL, "app", tag, rig.Index(referrer.Descriptor())).Want(t, http.StatusCreated)
					rig.Push(t, s.registry.URL, "app", tag+".sig", image).Want(t, http.StatusCreated)
				}
				// Of that form, but the image itself: mirroring tools write it.
				visible = append(visible, "sha256-"+image.Digest().Encoded())
				for _, tag := range visible {
					rig.Push(t, s.registry.URL, "app", tag, image).Want(t, http.StatusCreated)
				}
				want := slices.DeleteFunc(slices.Concat(visible, others), func(tag string) bool {
					cosign := strings.HasSuffix(tag, ".sig")
					return slices.Contains(others, tag) && (hidden > 15 || hidden > 0 && !cosign)
				})
				slices.Sort(want)
				if got := slices.Sorted(slices.Values(rig.Tags(t, s.backref.URL, "app"))); !slices.Equal(got, want) {
					t.Errorf("without n: got %q", got)
				}
				for _, n := range []int{1, 2, 3, 5, 7, 10, 20} {
					wantTagPages(t, s.backref.URL, n, want)
				}
			}, "--set", "tags.hide="+hide)
		})
	}
}

// wantTagPages follows the pages of n tags each: all are full but the last.
func wantTagPages(t *testing.T, base string, n int, want []string) {
	t.Helper()
	var all []string
	for at := fmt.Sprintf("/v2/app/tags/list?n=%d", n); at != ""; {
		reply := rig.Do(t, http.MethodGet, base+at, nil).Want(t, http.StatusOK)
		var list struct{ Tags []string }
		if err := json.Unmarshal(reply.Body, &list); err != nil {
			t.Fatal(err)
		}
		all = append(all, list.Tags...)
		if len(list.Tags) > n || len(list.Tags) < n && len(all) < len(want) {
			t.Fatalf("%s: %d tags: %q", at, len(list.Tags), list.Tags)
		}
		link, _, _ := strings.Cut(strings.TrimPrefix(reply.Header.Get("Link"), "<"), ">")
		at = link
	}
	if !slices.Equal(all, want) {
		t.Errorf("n=%d: got %q\nwant %q", n, all, want)
	}
}

// B8: clients that keep the referrers tag themselves and push it on condition
// that it is what they read lose nothing, although the registry knows no
// conditions.
func TestB8ConditionalPushesOfAReferrersTag(t *testing.T) {
	const clients = 16
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("b8")
		subject := image.Descriptor()
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		var entries []rig.Manifest
		for i := range clients {
			entry := rig.Artifact("application/vnd.example.x", fmt.Sprint(i), subject)
			rig.Push(t, s.registry.URL, "app", "", entry).Want(t, http.StatusCreated)
			entries = append(entries, entry)
		}
		url := s.backref.URL + "/v2/app/manifests/sha256-" + subject.Digest.Encoded()
		var group sync.WaitGroup
		var mutex sync.Mutex
		lost := 0
		for _, entry := range entries {
			group.Go(func() {
				again, err := addToTag(t, url, entry.Descriptor())
				if err != nil {
					t.Error(err)
				}
				mutex.Lock()
				defer mutex.Unlock()
				lost += again
			})
		}
		group.Wait()
		var index struct{ Manifests []rig.Descriptor }
		tag := rig.Do(t, http.MethodGet, url, nil, "Accept", rig.ImageIndex).Want(t, http.StatusOK)
		if err := json.Unmarshal(tag.Body, &index); err != nil {
			t.Fatal(err)
		}
		if len(index.Manifests) != clients {
			t.Errorf("the tag has %d of %d entries", len(index.Manifests), clients)
		}
		wantListed(t, s.backref.URL, "app", subject.Digest, entries...)
		t.Logf("%d clients, %d lost conditions", clients, lost)

		stale := rig.Index(entries[0].Descriptor())
		got := rig.Do(t, http.MethodPut, url, stale.Bytes(), "Content-Type", rig.ImageIndex, "If-None-Match", "*").Want(t, http.StatusPreconditionFailed)
		var answer struct {
			Errors []struct{ Code, Message string }
		}
		if err := json.Unmarshal(got.Body, &answer); err != nil || len(answer.Errors) != 1 || answer.Errors[0].Code != "DENIED" {
			t.Errorf("answer %s", got.Body)
		}
	})
}

// addToTag adds an entry to the index under a tag until nobody was faster,
// and tells how often somebody was.
func addToTag(t *testing.T, url string, entry rig.Descriptor) (lost int, err error) {
	for ; lost < 1000; lost++ {
		current, err := rig.Send(t, http.MethodGet, url, nil, "Accept", rig.ImageIndex)
		if err != nil {
			return lost, err
		}
		condition := []string{"If-None-Match", "*"}
		var index struct{ Manifests []rig.Descriptor }
		if current.Status == http.StatusOK {
			condition = []string{"If-Match", `"` + digest.FromBytes(current.Body).String() + `"`}
			if err := json.Unmarshal(current.Body, &index); err != nil {
				return lost, err
			}
		}
		next := rig.Index(append(index.Manifests, entry)...)
		pushed, err := rig.Send(t, http.MethodPut, url, next.Bytes(), append(condition, "Content-Type", rig.ImageIndex)...)
		switch {
		case err != nil:
			return lost, err
		case pushed.Status == http.StatusCreated:
			return lost, nil
		case pushed.Status != http.StatusPreconditionFailed:
			return lost, fmt.Errorf("status %d: %s", pushed.Status, pushed.Body)
		}
	}
	return lost, errors.New("never the fastest")
}
