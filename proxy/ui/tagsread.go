package ui

import (
	"context"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

// The bounds of a search among tags.
const (
	// searchedAtOnce is how many tags are read in one step of a search.
	searchedAtOnce = 500
	// searchedSteps is how many steps it has at most.
	searchedSteps = 20
)

// looksFor tells whether a tag is to be shown, and counts those that are left out.
func (p *tagsPage) looksFor(name string, names digest.Digest) bool {
	if p.Search != "" && !strings.Contains(name, p.Search) && !strings.HasPrefix(names.String(), p.Search) {
		return false
	}
	if !p.All && oci.IsCosignTag(name) {
		p.LeftOut++
		return false
	}
	return true
}

// read reads the tags that are looked for, until there is a page of them: the parts of
// the list are shown whole.
func (p *tagsPage) read(ctx context.Context, from *client.Repository, after string) (next string, err error) {
	window := client.Window{Limit: perPage, After: after}
	if p.Search != "" {
		window.Limit = searchedAtOnce
	}
	for step := 1; ; step++ {
		var tags []client.Tag
		if tags, next, err = from.TagWindow(ctx, p.Sort, window); err != nil {
			return "", err
		}
		for _, t := range tags {
			if p.looksFor(t.Tag, t.Digest) {
				p.Tags = append(p.Tags, tag{Name: t.Tag, Digest: t.Digest, Kind: client.Describe(t.Descriptor), Created: t.Created, Version: t.Version})
			}
		}
		if next == "" || len(p.Tags) >= perPage || p.Search == "" && p.LeftOut == 0 {
			return next, nil
		}
		if step == searchedSteps {
			p.Cut = true
			return next, nil
		}
		window.After = next
	}
}

// readNames is read for a repository with more tags than are looked up.
func (p *tagsPage) readNames(ctx context.Context, from *client.Repository, after string) (next string, err error) {
	window := client.Window{Limit: perPage, After: after}
	if p.Search != "" {
		window.Limit = searchedAtOnce
	}
	for step := 1; ; step++ {
		var names []string
		if names, next, err = from.TagNameWindow(ctx, window); err != nil {
			return "", err
		}
		for _, name := range names {
			if !p.looksFor(name, "") {
				continue
			}
			if len(p.Tags) == perPage {
				return p.Tags[perPage-1].Name, nil
			}
			p.Tags = append(p.Tags, tag{Name: name})
		}
		if next == "" || p.Search == "" && p.LeftOut == 0 {
			return next, nil
		}
		if step == searchedSteps {
			p.Cut = true
			return next, nil
		}
		window.After = next
	}
}
