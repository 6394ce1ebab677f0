package ui

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/client"
)

// The bounds of what stands around a manifest.
const (
	// maxSubjects is how many subjects of subjects are followed.
	maxSubjects = 4
	// tagsLooked is how many tags are looked through for those of a digest.
	tagsLooked = 100
	// tagTime is how long they are waited for.
	tagTime = 2 * time.Second
)

// relative is another manifest.
type relative struct {
	Digest digest.Digest `json:"digest"`
	Kind   string        `json:"kind"`
	// Missing says that the registry has it not.
	Missing bool `json:"missing,omitempty"`
}

// subjects returns what a manifest is about, what that is about, and so on.
func (v *visit) subjects(ctx context.Context, subject digest.Digest) []relative {
	var chain []relative
	for seen := map[digest.Digest]bool{}; subject != "" && len(chain) < maxSubjects && !seen[subject]; {
		seen[subject] = true
		m, err := v.repo.Manifest(ctx, subject.String())
		if err != nil {
			chain = append(chain, relative{Digest: subject, Kind: "not readable", Missing: errors.Is(err, client.ErrNotFound)})
			break
		}
		chain = append(chain, relative{Digest: subject, Kind: client.Describe(m.Descriptor())})
		subject = m.Subject()
	}
	return chain
}

// tagsOfDigest are the tags that name a manifest.
type tagsOfDigest struct {
	Tags []string `json:"tags"`
	// Incomplete says that not all tags of the repository were looked through.
	Incomplete bool `json:"incomplete,omitempty"`
	created    *time.Time
}

// tagsOf returns the tags of a manifest among the first of the repository.
func (v *visit) tagsOf(ctx context.Context, manifest digest.Digest) tagsOfDigest {
	all, incomplete := v.someTags(ctx)
	found := tagsOfDigest{Tags: []string{}, Incomplete: incomplete}
	for _, t := range all[manifest] {
		found.Tags, found.created = append(found.Tags, t.Tag), t.Created
	}
	return found
}

// someTags returns the first tags of the repository by what they name, and whether
// there are more, or none could be had.
func (v *visit) someTags(ctx context.Context) (byDigest map[digest.Digest][]client.Tag, incomplete bool) {
	ctx, cancel := context.WithTimeout(ctx, tagTime)
	defer cancel()
	tags, next, err := v.repo.TagWindow(ctx, "name", client.Window{Limit: tagsLooked})
	status, _ := client.StatusOf(err)
	byDigest = map[digest.Digest][]client.Tag{}
	for _, t := range tags {
		byDigest[t.Digest] = append(byDigest[t.Digest], t)
	}
	// A repository that has no tags at all may be one that the registry doesn't know.
	return byDigest, next != "" || err != nil && status != http.StatusNotFound
}
