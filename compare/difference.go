package compare

import (
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/artifact"
)

// Difference is what differs between two images, A and B: what was added is in B
// and not in A.
type Difference struct {
	A Image `json:"a"`
	B Image `json:"b"`
	// Same says that nothing differs, as far as is compared, and that all could be
	// read.
	Same bool `json:"same"`
	// Platforms are those of the images; empty texts are images without one.
	Platforms Platforms `json:"platforms"`
	// Annotations are those of the indexes, Attached what is attached to them, SBOM
	// what their SBOMs list. They are about indexes alone: of an image see Images.
	Annotations []Change        `json:"annotations,omitempty"`
	Attached    []Kind          `json:"attached,omitempty"`
	SBOM        *SBOMDifference `json:"sbom,omitempty"`
	// Images are those of the platforms that both have, by their names, or two images
	// that are no index.
	Images []ImageDifference `json:"images"`
	// Unread is what could not be looked at.
	Unread []Unread `json:"unread,omitempty"`
}

// Image is one of the two.
type Image struct {
	Name      string        `json:"name"`
	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"mediaType"`
	// Index says that it is an index of images.
	Index bool `json:"index"`
	// ArtifactType is what it is, where it is no index.
	ArtifactType string `json:"artifactType,omitempty"`
}

// Platforms are those that one has and the other lacks, and those of both, each as
// os/architecture[/variant], with the version of the system where several share
// that.
type Platforms struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
	Common  []string `json:"common"`
}

// ImageDifference is the difference between two images of one platform.
type ImageDifference struct {
	// Platform is that of A.
	Platform string        `json:"platform,omitempty"`
	A        digest.Digest `json:"a"`
	B        digest.Digest `json:"b"`
	// Same says that nothing differs, attachments and SBOMs included.
	Same        bool     `json:"same"`
	Layers      Layers   `json:"layers"`
	Config      Config   `json:"config"`
	Annotations []Change `json:"annotations,omitempty"`
	// Attached is what is attached to the images, those attestations too that
	// BuildKit puts beside them in the index.
	Attached []Kind `json:"attached,omitempty"`
	// SBOM is nil where the SBOMs of both are those of their indexes.
	SBOM *SBOMDifference `json:"sbom,omitempty"`
}

// Layers are those of two images.
type Layers struct {
	// Shared is how many layers both begin with, SharedSize how large these are.
	Shared     int   `json:"shared"`
	SharedSize int64 `json:"sharedSize"`
	// Moved is how many of the others both have.
	Moved   int     `json:"moved,omitempty"`
	Added   []Layer `json:"added,omitempty"`
	Removed []Layer `json:"removed,omitempty"`
	// SizeA and SizeB are of all layers, in bytes, as they are transferred.
	SizeA int64 `json:"sizeA"`
	SizeB int64 `json:"sizeB"`
}

// Layer is one of an image.
type Layer struct {
	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"mediaType"`
	Size      int64         `json:"size"`
	// CreatedBy is the step of the history that made it, where that is told.
	CreatedBy string `json:"createdBy,omitempty"`
}

// Config is what differs between two configurations.
type Config struct {
	// Changes are of single values: "env PATH", "entrypoint", "label a.b".
	Changes []Change `json:"changes,omitempty"`
	// History is what differs of the steps by which the images were made.
	History History `json:"history"`
}

// History are the steps that one image has and the other lacks.
type History struct {
	// Shared is how many steps both begin with.
	Shared  int      `json:"shared"`
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
}

// Change is a value that differs; nil is none.
type Change struct {
	Name string  `json:"name"`
	A    *string `json:"a"`
	B    *string `json:"b"`
}

// Kind is a kind of things that are attached to an image, and how many each has.
type Kind struct {
	// What says in words what it is.
	What         string `json:"what"`
	ArtifactType string `json:"artifactType,omitempty"`
	// Predicate is the type of what an attestation says.
	Predicate string `json:"predicate,omitempty"`
	A         int    `json:"a"`
	B         int    `json:"b"`
}

// State says what became of a comparison of SBOMs, by a word that stays.
type State string

// The states.
const (
	// Compared says that there is one of each.
	Compared State = "compared"
	// Missing, MissingA and MissingB say which image has none.
	Missing  State = "missing"
	MissingA State = "missing-a"
	MissingB State = "missing-b"
	// NotRead says that there are some, which [Difference.Unread] names.
	NotRead State = "unread"
)

// SBOMDifference is what differs between the packages that two SBOMs list.
type SBOMDifference struct {
	State State `json:"state"`
	// A and B are the documents; nil where there is none that could be read.
	A *Document `json:"a,omitempty"`
	B *Document `json:"b,omitempty"`
	// Added, Removed and Changed are in the order of the names.
	Added     []Package       `json:"added,omitempty"`
	Removed   []Package       `json:"removed,omitempty"`
	Changed   []PackageChange `json:"changed,omitempty"`
	Unchanged int             `json:"unchanged"`
}

// Document is an SBOM that was compared.
type Document struct {
	// Manifest is that of the artifact, Digest that of the document itself.
	Manifest digest.Digest   `json:"manifest"`
	Digest   digest.Digest   `json:"digest"`
	Format   artifact.Format `json:"format"`
	Name     string          `json:"name,omitempty"`
	Created  *time.Time      `json:"created,omitempty"`
	Tools    []string        `json:"tools,omitempty"`
	Packages int             `json:"packages"`
	// Index says that it is attached to the index, and not to the image.
	Index bool `json:"index,omitempty"`
	// Cut and Doubts are those of [artifact.Document].
	Cut    []string `json:"cut,omitempty"`
	Doubts []string `json:"doubts,omitempty"`
}

// Package is one that only one of two SBOMs lists.
type Package struct {
	Name     string   `json:"name"`
	Version  string   `json:"version,omitempty"`
	PURL     string   `json:"purl,omitempty"`
	Licences []string `json:"licences,omitempty"`
}

// PackageChange is a package of both in which something differs.
type PackageChange struct {
	Name string `json:"name"`
	// PURL is that of A without version.
	PURL      string   `json:"purl,omitempty"`
	VersionA  string   `json:"versionA,omitempty"`
	VersionB  string   `json:"versionB,omitempty"`
	LicencesA []string `json:"licencesA,omitempty"`
	LicencesB []string `json:"licencesB,omitempty"`
}

// Unread is something that could not be looked at.
type Unread struct {
	// Side is "a" or "b".
	Side   string        `json:"side"`
	What   string        `json:"what"`
	Digest digest.Digest `json:"digest,omitempty"`
	Reason string        `json:"reason"`
}
