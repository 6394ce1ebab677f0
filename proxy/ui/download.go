package ui

import (
	"net/http"
	"strconv"

	"github.com/opencontainers/go-digest"
)

// downloadPolicy is what a browser may do with a file that it opens in spite of all:
// nothing.
const downloadPolicy = "sandbox; default-src 'none'; frame-ancestors 'none'"

// download serves a file of an artifact to be kept, never as anything that a browser
// would show: without its media type, and by a name of ours.
func (v *visit) download(w http.ResponseWriter) error {
	m, err := v.repo.Manifest(v.request.Context(), v.about)
	if err != nil {
		return err
	}
	contents, err := m.Contents()
	if err != nil {
		return err
	}
	file, number, err := v.chosen(contents)
	switch {
	case err != nil:
		return err
	case number == 0:
		return invalidError("The artifact has no files.")
	case file.Size > MaxDocument:
		return invalidError("The file is too large to be downloaded here; get it by a client of registries.")
	}
	body, err := v.repo.SmallBlob(v.request.Context(), file, MaxDocument)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Disposition", `attachment; filename="`+fileName(file.Digest)+`"`)
	header.Set("Content-Security-Policy", downloadPolicy)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, err = w.Write(body)
	return err
}

// fileName returns a name for a file that is known by its digest alone.
func fileName(d digest.Digest) string {
	const shown = 12
	encoded := d.Encoded()
	return string(d.Algorithm()) + "-" + encoded[:min(len(encoded), shown)] + ".bin"
}
