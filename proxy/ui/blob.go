package ui

import (
	"context"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
)

// blobPage is what names a digest: which images hold a layer.
type blobPage struct {
	Repository string        `json:"repository"`
	Digest     digest.Digest `json:"digest"`
	Parents    []parentRow   `json:"parents"`
	Next       string        `json:"next,omitempty"`
	// Incomplete says that not all tags of the repository were looked through.
	Incomplete bool `json:"incomplete,omitempty"`
}

// parentRow is a manifest that names the digest.
type parentRow struct {
	// As says what the digest is to it.
	As           string        `json:"as"`
	Digest       digest.Digest `json:"digest"`
	Kind         string        `json:"kind"`
	MediaType    string        `json:"mediaType"`
	ArtifactType string        `json:"artifactType,omitempty"`
	// Tags are those of the manifest, and of the indexes that list it.
	Tags []string `json:"tags,omitempty"`
	// Indexes list it.
	Indexes []digest.Digest `json:"indexes,omitempty"`
}

// blobParents is how many rows a page has; for each is asked what lists it.
const blobParents = 25

// PageTitle implements titled.
func (p *blobPage) PageTitle() string {
	return "What names " + shortDigest(p.Digest) + " · " + p.Repository
}

// blobPage shows which manifests of the repository name a digest.
func (v *visit) blobPage() (any, error) {
	ctx := v.request.Context()
	asked := v.request.URL.Query()
	page := &blobPage{Repository: v.name, Digest: digest.Digest(v.about), Parents: []parentRow{}}
	parents, next, err := v.repo.ParentWindow(ctx, page.Digest, client.Window{Limit: blobParents, After: asked.Get("after")})
	if err != nil {
		return nil, err
	}
	page.Next = nextPage(asked, next)
	for _, parent := range parents {
		d := parent.Descriptor
		page.Parents = append(page.Parents, parentRow{As: as(parent.Kind), Digest: d.Digest, Kind: client.Describe(d), MediaType: d.MediaType, ArtifactType: d.ArtifactType})
	}
	if len(page.Parents) > 0 {
		v.addTags(ctx, page)
	}
	return page, nil
}

// as says in words what a digest is to a manifest that names it.
func as(kind string) string {
	switch kind {
	case index.EdgeSubject.String():
		return "is attached to it"
	case index.EdgeConfig.String():
		return "has it as its config"
	case index.EdgeManifest.String():
		return "lists it"
	default:
		return "has it as a layer"
	}
}

// addTags adds the tags of the rows, and of the indexes that list them, as far as they
// can be had in time.
func (v *visit) addTags(ctx context.Context, page *blobPage) {
	ctx, cancel := context.WithTimeout(ctx, detailTime)
	defer cancel()
	var tags map[digest.Digest][]client.Tag
	var group errgroup.Group
	group.SetLimit(atOnce)
	group.Go(func() error { tags, page.Incomplete = v.someTags(ctx); return nil })
	for i := range page.Parents {
		group.Go(func() error {
			row := &page.Parents[i]
			above, _, err := v.repo.ParentWindow(ctx, row.Digest, client.Window{Limit: referrersAround})
			if err != nil {
				return nil //nolint:nilerr // The row says less.
			}
			for _, parent := range above {
				if parent.Kind == index.EdgeManifest.String() {
					row.Indexes = append(row.Indexes, parent.Descriptor.Digest)
				}
			}
			return nil
		})
	}
	_ = group.Wait()
	for i := range page.Parents {
		row := &page.Parents[i]
		for _, d := range append([]digest.Digest{row.Digest}, row.Indexes...) {
			for _, t := range tags[d] {
				if len(row.Tags) < shownOfItem {
					row.Tags = append(row.Tags, t.Tag)
				}
			}
		}
	}
}
