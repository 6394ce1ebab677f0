package transfer

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/client"
)

// Kind says what a location is.
type Kind int

// The kinds of locations.
const (
	// Registry is a repository of a registry.
	Registry Kind = iota
	// Layout is a folder with an OCI image layout.
	Layout
	// Archive is a tar file with an OCI image layout.
	Archive
)

// Prefixes of locations that are no registries.
const (
	layoutPrefix  = "oci:"
	archivePrefix = "oci-archive:"
)

// Location is where a copy comes from or goes to.
type Location struct {
	Kind Kind
	// Reference is that of a registry.
	Reference client.Reference
	// Path is the folder of a layout or the file of an archive; Tag or Digest
	// say which of its manifests.
	Path   string
	Tag    string
	Digest digest.Digest
}

// String returns the location as it is written.
func (l Location) String() string {
	if l.Kind == Registry {
		return l.Reference.String()
	}
	text := map[Kind]string{Layout: layoutPrefix, Archive: archivePrefix}[l.Kind] + l.Path
	if l.Tag != "" {
		text += ":" + l.Tag
	}
	if l.Digest != "" {
		text += "@" + l.Digest.String()
	}
	return text
}

// ParseLocation reads a location: a reference, oci:DIR[:tag] or
// oci-archive:FILE[:tag], the latter two with @digest too.
func ParseLocation(text string) (Location, error) {
	if rest, found := strings.CutPrefix(text, layoutPrefix); found {
		return parsePath(Layout, text, rest)
	}
	if rest, found := strings.CutPrefix(text, archivePrefix); found {
		return parsePath(Archive, text, rest)
	}
	ref, err := client.ParseReference(text)
	if err != nil {
		return Location{}, fmt.Errorf("%w; folders are written oci:DIR[:tag], archives oci-archive:FILE[:tag]", err)
	}
	return Location{Kind: Registry, Reference: ref, Tag: ref.Tag, Digest: ref.Digest}, nil
}

func parsePath(kind Kind, text, rest string) (Location, error) {
	location := Location{Kind: kind, Path: rest}
	if path, sum, found := strings.Cut(rest, "@"); found {
		parsed, err := digest.Parse(sum)
		if err != nil {
			return Location{}, fmt.Errorf("%q: %w", text, err)
		}
		location.Path, location.Digest = path, parsed
	}
	if i := strings.LastIndexByte(location.Path, ':'); i > strings.LastIndexByte(location.Path, filepath.Separator) {
		location.Path, location.Tag = location.Path[:i], location.Path[i+1:]
		if !validTag(location.Tag) {
			return Location{}, fmt.Errorf("%q: %q is not a tag", text, location.Tag)
		}
	}
	if location.Path == "" {
		return Location{}, fmt.Errorf("%q: %w", text, errors.New("need a path before the tag"))
	}
	return location, nil
}

// maxTag is the longest tag (distribution-spec, "Pulling manifests").
const maxTag = 128

// validTag reports whether a tag matches the grammar of the specification.
func validTag(tag string) bool {
	if tag == "" || len(tag) > maxTag || tag[0] == '.' || tag[0] == '-' {
		return false
	}
	return strings.Trim(tag, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-") == ""
}
