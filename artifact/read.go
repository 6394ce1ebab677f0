package artifact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/backref/backref/strictjson"
)

// Read reads a document. The media type is what it was pushed as, and may be empty
// or wrong. It is safe for concurrent use, and takes time and memory in proportion
// to the body, of which nothing is kept but the texts in the result.
func Read(mediaType string, body []byte) Document {
	if named, _, err := mime.ParseMediaType(mediaType); err == nil {
		mediaType = named
	}
	r := &reader{}
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if len(body) > MaxBody {
		r.cut(fmt.Sprintf("the document has %d bytes, and %d are read", len(body), MaxBody))
		r.plain(mediaType, body[:MaxPretty+utf8.UTFMax])
		return r.document
	}
	r.read(mediaType, body, 1)
	return r.document
}

// reader gathers what a document, and those within it, say.
type reader struct {
	document Document
	// shapes are those of the types that were read so far.
	shapes map[reflect.Type]*strictjson.Shape
}

func (r *reader) cut(what string) {
	if !slices.Contains(r.document.Cut, what) && len(r.document.Cut) < MaxDocuments {
		r.document.Cut = append(r.document.Cut, what)
	}
}

func (r *reader) doubt(why string) {
	if !slices.Contains(r.document.Doubts, why) && len(r.document.Doubts) < MaxDocuments {
		r.document.Doubts = append(r.document.Doubts, clip(why))
	}
}

// all notes where a list was cut.
func (r *reader) all(what string, kept, total int) {
	if kept < total {
		r.cut(fmt.Sprintf("%d of %d %s are kept", kept, total, what))
	}
}

// is sets the format of the document, unless it is one within another.
func (r *reader) is(format Format, version string, level int) {
	if level == 1 && r.document.Format == "" {
		r.document.Format, r.document.Version = format, clip(version)
	}
}

// read reads a document at a level; that of the outermost is 1.
func (r *reader) read(mediaType string, body []byte, level int) {
	if level > MaxNested {
		r.cut(fmt.Sprintf("documents are nested more than %d deep", MaxNested))
		return
	}
	err := strictjson.Check(body, nil, strictjson.Bound{Name: "nesting", Most: MaxDepth})
	switch {
	case errors.Is(err, strictjson.ErrSyntax):
		if !r.lines(body, level) {
			r.text(mediaType, body, level)
		}
		return
	case errors.Is(err, strictjson.ErrLimit):
		r.cut(fmt.Sprintf("it is nested more than %d deep", MaxDepth))
		r.is(JSON, "", level)
	case err != nil:
		r.doubt(err.Error())
	}
	if level == 1 {
		r.pretty(body)
	}
	if !errors.Is(err, strictjson.ErrLimit) {
		r.json(body, level)
	}
	r.is(JSON, "", level)
}

// pretty shows the outermost document.
func (r *reader) pretty(body []byte) {
	var whole bool
	if r.document.Pretty, whole = pretty(body); !whole {
		r.cut(fmt.Sprintf("%d bytes of the text are shown", MaxPretty))
	}
}

// json reads a JSON text by what it has.
func (r *reader) json(body []byte, level int) {
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		r.array(body, level)
		return
	}
	var names signs
	// What has another type tells nothing.
	_ = json.Unmarshal(body, &names)
	for _, known := range known() {
		if known.matches(names) {
			known.read(r, body, level)
			return
		}
	}
}

// array reads the elements of an array each as a document.
func (r *reader) array(body []byte, level int) {
	kept, total := elements[json.RawMessage](body, MaxDocuments)
	before := r.parts()
	for _, element := range kept {
		if bytes.HasPrefix(element, []byte("{")) {
			r.json(element, level)
		}
	}
	if r.parts() > before {
		r.all("documents", len(kept), total)
	}
}

// lines reads a text of which every line is a JSON object, and reports whether it
// is one: attestations are kept so in files.
func (r *reader) lines(body []byte, level int) bool {
	var documents [][]byte
	total := 0
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if line[0] != '{' {
			return false
		}
		if total++; len(documents) < MaxDocuments {
			if strictjson.Check(line, nil, strictjson.Bound{Most: MaxDepth}) != nil {
				return false
			}
			documents = append(documents, line)
		}
	}
	if total < 2 {
		return false
	}
	r.all("documents", len(documents), total)
	var text strings.Builder
	for _, line := range documents {
		r.json(line, level)
		if level == 1 && text.Len() <= MaxPretty {
			indented, _ := pretty(line)
			text.WriteString(indented + "\n")
		}
	}
	if level == 1 {
		r.shown(text.String())
	}
	r.is(JSON, "", level)
	return true
}

// text reads what is no JSON.
func (r *reader) text(mediaType string, body []byte, level int) {
	switch {
	case isTagValue(body):
		r.spdxText(body, level)
	case bytes.Contains(body[:min(len(body), 4096)], []byte("http://cyclonedx.org/schema/bom/")):
		r.is(CycloneDXXML, "", level)
	}
	if level == 1 {
		r.plain(mediaType, body)
	}
}

// plain shows what is no JSON, or tells what it is.
func (r *reader) plain(mediaType string, body []byte) {
	guess := http.DetectContentType(body)
	switch {
	case mediaType == "application/cose" || len(body) > 1 && body[0] == coseSign1 && body[1] == coseArray:
		r.is(NotationCOSE, "", 1)
	case isArchive(body):
		r.is(Archive, "", 1)
	case !utf8.Valid(body) && !strings.HasPrefix(guess, "text/plain; charset=utf-8") || bytes.IndexByte(body, 0) >= 0:
		r.is(Binary, "", 1)
	default:
		r.is(Text, "", 1)
		r.shown(string(body))
	}
}

// shown keeps a text to show.
func (r *reader) shown(text string) {
	if len(text) > MaxPretty {
		r.cut(fmt.Sprintf("%d bytes of the text are shown", MaxPretty))
	}
	text = cutBytes(text, MaxPretty)
	if !utf8.ValidString(text) {
		r.doubt("it has bytes that are no UTF-8")
	}
	r.document.Pretty = valid(text)
}

// What a COSE_Sign1 begins with (RFC 9052, section 4.2): tag 18, and an array of
// four.
const (
	coseSign1 = 0xd2
	coseArray = 0x84
)

// isArchive reports whether something is packed or compressed: gzip, zstd, xz,
// bzip2, zip or tar.
func isArchive(body []byte) bool {
	for _, magic := range []string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "\xfd7zXZ\x00", "BZh", "PK\x03\x04"} {
		if bytes.HasPrefix(body, []byte(magic)) {
			return true
		}
	}
	const place = 257
	return len(body) > place && bytes.HasPrefix(body[place:], []byte("ustar"))
}

// parts counts what was found so far.
func (r *reader) parts() int {
	d, n := r.document, len(r.document.Statements)
	for _, found := range []bool{d.SBOM != nil, d.Report != nil, d.Envelope != nil, d.Bundle != nil, d.Signed != nil} {
		if found {
			n++
		}
	}
	return n
}
