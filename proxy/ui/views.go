package ui

import (
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// view is a page about one repository. Its path is that of the repository and, behind
// /-/, its name and what it is about.
type view struct {
	// name is empty for the repository's own page.
	name string
	// template shows it.
	template string
	// section is how the list of the repository's pages calls it; empty where it isn't
	// in that list, since it needs to be told what it is about.
	section string
	// about tells whether a text can be what the page is about; nil where nothing
	// follows the name.
	about func(text string) bool
	load  func(*visit) (any, error)
	// raw serves what is no page, in the place of load.
	raw func(*visit, http.ResponseWriter) error
}

// views are the pages about a repository, in the order of their sections.
func views() []view {
	return []view{
		{template: "tags", section: "Tags", load: (*visit).tagsPage},
		{name: "artifacts", template: "artifacts", section: "Artifacts", load: (*visit).artifactsPage},
		{name: "image", template: "image", about: isReference, load: (*visit).imagePage},
		{name: "artifact", template: "artifact", about: isDigest, load: (*visit).artifactPage},
		{name: "blob", template: "blob", about: isDigest, load: (*visit).blobPage},
		{name: "download", about: isDigest, raw: (*visit).download},
	}
}

// isReference reports whether a text is a tag or a digest.
func isReference(text string) bool { return oci.ValidTag(text) || isDigest(text) }

// isDigest reports whether a text is a digest of an algorithm that is known.
func isDigest(text string) bool { return oci.CheckDigest(digest.Digest(text)) == nil }

// inRepository serves the pages about a repository.
func (u *UI) inRepository(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, u.options.Base+"/r/")
	name, rest, _ := strings.Cut(path, "/-/")
	called, about, _ := strings.Cut(rest, "/")
	for _, found := range views() {
		fits := found.about == nil && about == "" || found.about != nil && found.about(about)
		if found.name != called || !fits || !oci.ValidRepository(name) {
			continue
		}
		if found.raw != nil {
			u.raw(w, r, name, about, found.raw)
			return
		}
		u.page(found.template, func(v *visit) (any, error) {
			v.enter(found, name, about)
			return found.load(v)
		})(w, r)
		return
	}
	u.page("error", func(*visit) (any, error) { return nil, errNoPage })(w, r)
}

// raw serves what is no page; errors are shown as on pages.
func (u *UI) raw(w http.ResponseWriter, r *http.Request, name, about string, serve func(*visit, http.ResponseWriter) error) {
	v, err := u.begin(r)
	if err == nil {
		v.enter(view{}, name, about)
		err = serve(v, w)
	}
	if err != nil {
		u.fail(w, v, err)
	}
}

// enter notes which page of which repository is looked at.
func (v *visit) enter(at view, name, about string) {
	v.view, v.name, v.about = at, name, about
	v.repo = v.repository(name)
}

// section is an entry of the list of a repository's pages.
type section struct {
	Title, URL string
	Current    bool
}

// sections returns the pages of the repository that is looked at.
func (v *visit) sections() []section {
	if v.name == "" {
		return nil
	}
	var all []section
	for _, w := range views() {
		if w.section == "" {
			continue
		}
		parts := []any{"r", v.name}
		if w.name != "" {
			parts = append(parts, "-", w.name)
		}
		all = append(all, section{Title: w.section, URL: v.base() + address(parts...), Current: w.name == v.view.name && v.view.load != nil})
	}
	return all
}

// Has tells whether there is a page about a repository of a name, for others to lead
// to.
func (f frame) Has(name string) bool {
	for _, w := range views() {
		if w.name == name {
			return true
		}
	}
	return false
}
