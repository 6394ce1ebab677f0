package ui

import (
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
)

// shownRows is how many layers of an image, or entries of an index, a page shows.
const shownRows = 200

// unknownPlatform is what BuildKit says of what runs nowhere.
const unknownPlatform = "unknown/unknown"

// The annotations by which BuildKit marks attestations in an index (BuildKit,
// "Image Attestation Storage").
const (
	annotationReferenceType   = "vnd.docker.reference.type"
	annotationReferenceDigest = "vnd.docker.reference.digest"
	attestationManifest       = "attestation-manifest"
	mediaTypeInToto           = "application/vnd.in-toto+json"
)

// blobRow is a layer or config.
type blobRow struct {
	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"mediaType"`
	Size      int64         `json:"size"`
	// Title is the file's name, where the manifest tells.
	Title string `json:"title,omitempty"`
	// CreatedBy is what made it, as the config of the image has it.
	CreatedBy string `json:"createdBy,omitempty"`
}

func newBlobRow(d ocispec.Descriptor) blobRow {
	return blobRow{Digest: d.Digest, MediaType: d.MediaType, Size: d.Size, Title: clipped(d.Annotations[ocispec.AnnotationTitle], shownValue)}
}

// layerRows returns the layers of a manifest, and how many more there are.
func layerRows(contents client.Contents) (rows []blobRow, more int) {
	all := append(append([]ocispec.Descriptor{}, contents.Layers...), contents.Blobs...)
	for i, d := range all {
		if i == shownRows {
			return rows, len(all) - shownRows
		}
		rows = append(rows, newBlobRow(d))
	}
	return rows, 0
}

// isBuildAttestation reports whether a manifest is one of BuildKit's attestations,
// which have the config of an image.
func isBuildAttestation(contents client.Contents) bool {
	return len(contents.Layers) > 0 && contents.Layers[0].MediaType == mediaTypeInToto
}

// platformRow is an entry of an index.
type platformRow struct {
	Digest digest.Digest `json:"digest"`
	// Platform is where it runs; empty where that isn't told.
	Platform  string `json:"platform,omitempty"`
	OSVersion string `json:"osVersion,omitempty"`
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"`
	// Attests is what it is an attestation of, as BuildKit attaches these; empty for
	// what is none.
	Attests digest.Digest `json:"attests,omitempty"`
}

// platformRows returns the entries of an index, and how many more there are.
func platformRows(contents client.Contents) (rows []platformRow, more int) {
	for i, d := range contents.Manifests {
		if i == shownRows {
			return rows, len(contents.Manifests) - shownRows
		}
		row := platformRow{Digest: d.Digest, MediaType: d.MediaType, Size: d.Size, Platform: client.PlatformName(d.Platform)}
		if d.Platform != nil {
			row.OSVersion = d.Platform.OSVersion
		}
		if d.Annotations[annotationReferenceType] == attestationManifest {
			row.Attests = digest.Digest(d.Annotations[annotationReferenceDigest])
			if row.Attests.Validate() != nil {
				row.Attests = ""
			}
		}
		if strings.HasPrefix(row.Platform, unknownPlatform) {
			row.Platform = ""
		}
		rows = append(rows, row)
	}
	return rows, 0
}
