package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/strictjson"
)

// ErrMediaType means that a manifest has a subject, and nothing tells of which
// media type it is. It is not left out of a list for that.
var ErrMediaType = errors.New("the media type of the manifest can't be told")

// ParseServed is [ManifestLimits.Parse] for a manifest as a registry serves it.
// Some registries serve all by one media type that is none of a manifest, or by
// none; then the manifest's own tells what it is, else its fields where only one
// kind has these.
//
// Errors: as for Parse, and [ErrMediaType].
func (l ManifestLimits) ParseServed(served string, algorithm digest.Algorithm, body []byte) (Manifest, error) {
	bare, _, err := mime.ParseMediaType(served)
	if err != nil {
		bare = ""
	}
	if bare != "" && oci.IsManifestType(bare) {
		return l.Parse(bare, algorithm, body)
	}
	manifest, err := l.Parse("", algorithm, body)
	if err != nil {
		return Manifest{}, err
	}
	stated := manifest.MediaType
	switch {
	case stated != "" && (oci.IsManifestType(stated) || saysNothing(bare) || strings.EqualFold(stated, bare)):
		return manifest, nil
	case stated != "":
		return Manifest{}, fmt.Errorf("%w: %w: served as %q but its mediaType is %q", ErrManifest, strictjson.ErrAmbiguous, bare, stated)
	}
	if manifest.MediaType = typeByFields(body); manifest.MediaType != "" {
		return manifest, nil
	}
	if !saysNothing(bare) {
		manifest.MediaType = bare
		return manifest, nil
	}
	err = fmt.Errorf("%w: it is served as %q, states no mediaType, and has not the fields of an image or an index", ErrMediaType, served)
	if manifest.Subject() == "" {
		err = fmt.Errorf("%w: %w", ErrManifest, err)
	}
	return Manifest{}, err
}

// saysNothing tells whether a media type is one that servers give to anything.
func saysNothing(bare string) bool {
	switch bare {
	case "", "text/plain", "text/html", "application/json", "application/octet-stream", "binary/octet-stream":
		return true
	default:
		return false
	}
}

// typeByFields returns the media type of a manifest that states none; empty
// where its fields are not those of exactly one (image-spec, "Image Manifest"
// and "Image Index", which may leave it out).
func typeByFields(body []byte) string {
	var fields struct {
		SchemaVersion int             `json:"schemaVersion"`
		Config        json.RawMessage `json:"config"`
		Manifests     json.RawMessage `json:"manifests"`
		FSLayers      json.RawMessage `json:"fsLayers"`
		Signatures    json.RawMessage `json:"signatures"`
		Blobs         json.RawMessage `json:"blobs"`
	}
	if err := json.Unmarshal(body, &fields); err != nil {
		return ""
	}
	image, list, first := fields.Config != nil, fields.Manifests != nil, fields.FSLayers != nil
	switch {
	case fields.Blobs != nil:
		return ""
	case fields.SchemaVersion == 2 && image && !list && !first:
		return oci.MediaTypeImageManifest
	case fields.SchemaVersion == 2 && list && !image && !first:
		return oci.MediaTypeImageIndex
	case fields.SchemaVersion == 1 && first && !image && !list && fields.Signatures != nil:
		return oci.MediaTypeDocker1Signed
	case fields.SchemaVersion == 1 && first && !image && !list:
		return oci.MediaTypeDocker1
	default:
		return ""
	}
}

// DoubtfulEntries returns the entries of an image index whose media type is
// neither known to be that of a manifest nor of a blob. The edges to them are
// [EdgeBlob]; only whoever asks for them as manifests learns that they are some.
func DoubtfulEntries(body []byte) []digest.Digest {
	var list struct {
		Manifests []target `json:"manifests"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil
	}
	var doubtful []digest.Digest
	for _, entry := range list.Manifests {
		if !oci.IsManifestType(entry.MediaType) && !oci.IsBlobType(entry.MediaType) && entry.Digest.Validate() == nil {
			doubtful = append(doubtful, entry.Digest)
		}
	}
	return doubtful
}
