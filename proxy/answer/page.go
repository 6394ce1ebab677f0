package answer

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
)

// Page is the answer to a query, ready to be sent. Its parts are shared by all
// who get the page, and not to be changed.
type Page struct {
	Body []byte
	// ETag is the strong entity tag of the body (RFC 9110, section 8.8.3), with
	// its quotes.
	ETag string
	// Header has the fields of a 200 with the whole body, ETag among them. The
	// paths in it are backref's own, without what clients may have before them.
	Header http.Header
}

// New returns a page. filters are those that were applied, and link leads to the
// next page (see [Next]); both may be empty.
func New(mediaType string, body []byte, filters []string, link string) Page {
	sum := sha256.Sum256(body)
	etag := `"` + hex.EncodeToString(sum[:16]) + `"`
	header := http.Header{
		"Content-Type":   {mediaType},
		"Content-Length": {strconv.Itoa(len(body))},
		"Etag":           {etag},
		// Who may see it is decided anew each time.
		"Cache-Control": {"private, no-cache"},
	}
	if len(filters) > 0 {
		header.Set("OCI-Filters-Applied", strings.Join(filters, ","))
	}
	if link != "" {
		header.Set("Link", link)
	}
	return Page{Body: body, ETag: etag, Header: header}
}
