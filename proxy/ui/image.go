package ui

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// imagePage is a manifest: what it is, what it is made of, and what refers to it.
type imagePage struct {
	Repository string `json:"repository"`
	// Reference is the tag or digest by which it was asked for, Tag that where it is
	// one.
	Reference string `json:"reference"`
	Tag       string `json:"tag,omitempty"`
	// Platform is that by which it was chosen from Index.
	Platform string        `json:"platform,omitempty"`
	Index    digest.Digest `json:"index,omitempty"`

	Digest       digest.Digest `json:"digest"`
	Kind         string        `json:"kind"`
	MediaType    string        `json:"mediaType"`
	ArtifactType string        `json:"artifactType,omitempty"`
	// Size is that of the manifest, ContentSize that of its blobs together, in bytes.
	Size        int64      `json:"size"`
	ContentSize int64      `json:"contentSize"`
	Created     *time.Time `json:"created,omitempty"`
	Version     string     `json:"version,omitempty"`
	// Readable says that there is an artifact page which shows what is inside.
	Readable bool `json:"-"`

	Commands    []command     `json:"commands"`
	Tags        tagsOfDigest  `json:"tags"`
	Subjects    []relative    `json:"subjects,omitempty"`
	Platforms   []platformRow `json:"platforms,omitempty"`
	Layers      []blobRow     `json:"layers,omitempty"`
	MoreRows    int           `json:"more,omitempty"`
	ConfigBlob  *blobRow      `json:"configBlob,omitempty"`
	Config      *configShown  `json:"config,omitempty"`
	Annotations pairs         `json:"annotations"`
	// Referrers are those of the manifest, Around those of the images that it lists, or
	// of the indexes that list it.
	Referrers *referrerList   `json:"referrers"`
	Around    []*referrerList `json:"around,omitempty"`
	// MoreAround is how many others of these are not looked at, as far as that is known.
	MoreAround int `json:"moreAround,omitempty"`
}

// PageTitle implements titled.
func (p *imagePage) PageTitle() string {
	if p.Tag != "" {
		return p.Tag + " · " + p.Repository
	}
	return shortDigest(p.Digest) + " · " + p.Repository
}

// imagePage shows a manifest.
func (v *visit) imagePage() (any, error) {
	ctx := v.request.Context()
	page := &imagePage{Repository: v.name, Reference: v.about}
	m, err := v.repo.Manifest(ctx, v.about)
	if err != nil {
		return nil, err
	}
	if platform := v.request.URL.Query().Get("platform"); platform != "" && m.IsIndex() {
		page.Platform, page.Index = platform, m.Digest
		if m, err = v.imageFor(ctx, m, platform); err != nil {
			return nil, err
		}
	} else if oci.ValidTag(v.about) {
		page.Tag = v.about
	}
	contents, err := m.Contents()
	if err != nil {
		return nil, err
	}
	if err := v.fillImage(ctx, page, m, contents); err != nil {
		return nil, err
	}
	return page, nil
}

// fillImage gathers what the page shows of a manifest. What can't be had of what stands
// around it is said in its place.
func (v *visit) fillImage(ctx context.Context, page *imagePage, m client.Manifest, contents client.Contents) error {
	page.describe(m, contents)
	page.Commands = commandsFor(m, v.reference(m.Digest), page.Tag)
	list, err := v.newReferrerList(m.Digest)
	if err != nil {
		return err
	}
	page.Referrers = list
	var group errgroup.Group
	group.Go(func() error { page.Tags = v.tagsOf(ctx, m.Digest); return nil })
	group.Go(func() error { page.Subjects = v.subjects(ctx, m.Subject()); return nil })
	group.Go(func() error { v.readReferrers(ctx, list, v.request.URL.Query().Get("after")); return nil })
	group.Go(func() error { page.Around, page.MoreAround = v.around(ctx, m, contents, page.Index); return nil })
	group.Go(func() error {
		if page.ConfigBlob != nil && oci.IsImageConfigType(page.ConfigBlob.MediaType) {
			page.readConfig(ctx, v.repo, *contents.Config)
		}
		return nil
	})
	_ = group.Wait()
	if page.Created == nil {
		page.Created = page.Tags.created
	}
	return nil
}

// reference returns how command lines name a manifest of the repository.
func (v *visit) reference(manifest digest.Digest) string {
	return v.repo.Reference.At(manifest).String()
}

// describe says what the manifest itself tells.
func (p *imagePage) describe(m client.Manifest, contents client.Contents) {
	d := m.Descriptor()
	p.Digest, p.MediaType, p.ArtifactType, p.Size = m.Digest, m.MediaType, m.ArtifactType, m.Size
	p.Kind, p.ContentSize = client.Describe(d), contents.Size()
	p.Version = index.TagVersion(p.Tag, m.Annotations)
	if at := index.StatedMade(m.Annotations); !at.IsZero() {
		p.Created = &at
	}
	p.Annotations = pairsOf(m.Annotations, shownAnnotations)
	p.Layers, p.MoreRows = layerRows(contents)
	if contents.Config != nil {
		row := newBlobRow(*contents.Config)
		p.ConfigBlob = &row
	}
	p.Readable = !m.IsIndex() && len(p.Layers) > 0 && (contents.Config == nil || !oci.IsImageConfigType(contents.Config.MediaType) || isBuildAttestation(contents))
	if m.IsIndex() {
		var more int
		p.Platforms, more = platformRows(contents)
		p.MoreRows += more
	}
}

// imageFor returns the image of an index for a platform.
func (v *visit) imageFor(ctx context.Context, m client.Manifest, platform string) (client.Manifest, error) {
	contents, err := m.Contents()
	if err != nil {
		return m, err
	}
	for _, child := range contents.Children() {
		if client.MatchPlatform(child.Platform, platform) {
			return v.repo.Manifest(ctx, child.Digest.String())
		}
	}
	return m, invalidError("The index has no image for the platform " + platform + ".")
}
