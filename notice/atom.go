package notice

import (
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// MediaTypeAtom is that of feeds (RFC 4287, section 7).
const MediaTypeAtom = "application/atom+xml"

const (
	// maxContent is about how many bytes of annotations an entry shows.
	maxContent = 4 << 10
	maxTitle   = 200
)

// Feed is what a feed says of itself.
type Feed struct {
	// About names what it is of, such as a repository: its identifier is made of it.
	About string
	Title string
	// Self and Next are references to this page and the one behind it (RFC 5005,
	// section 3), the latter empty where there is none. They may be relative.
	Self, Next string
	// Manifest and Referrers return references to a manifest and to the referrers of a
	// subject; nil for none.
	Manifest, Referrers func(repository string, of digest.Digest) string
}

type atomFeed struct {
	XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string      `xml:"id"`
	Title   string      `xml:"title"`
	Updated string      `xml:"updated"`
	Author  atomAuthor  `xml:"author"`
	Links   []atomLink  `xml:"link"`
	Entries []atomEntry `xml:"entry"`
}

type atomAuthor struct {
	Name string `xml:"name"`
}

type atomLink struct {
	Rel    string `xml:"rel,attr"`
	Href   string `xml:"href,attr"`
	Type   string `xml:"type,attr,omitempty"`
	Title  string `xml:"title,attr,omitempty"`
	Length int64  `xml:"length,attr,omitempty"`
}

type atomCategory struct {
	Term string `xml:"term,attr"`
}

type atomContent struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

type atomEntry struct {
	ID         string        `xml:"id"`
	Title      string        `xml:"title"`
	Updated    string        `xml:"updated"`
	Published  string        `xml:"published"`
	Categories *atomCategory `xml:"category"`
	Links      []atomLink    `xml:"link"`
	Content    atomContent   `xml:"content"`
}

// Render writes a page of a feed as Atom (RFC 4287). The same page is written equally
// each time. What XML can't hold, as control characters, is U+FFFD.
func (f Feed) Render(notices []Notice) ([]byte, error) {
	feed := atomFeed{
		ID: urn(sha256.Sum256([]byte("feed\n" + f.About))), Title: f.Title, Updated: time.Unix(0, 0).UTC().Format(time.RFC3339),
		Author: atomAuthor{"backref"}, Links: []atomLink{{Rel: "self", Href: f.Self, Type: MediaTypeAtom}},
	}
	if f.Next != "" {
		feed.Links = append(feed.Links, atomLink{Rel: "next", Href: f.Next, Type: MediaTypeAtom})
	}
	for i, n := range notices {
		if i == 0 {
			feed.Updated = n.Time.Format(time.RFC3339Nano)
		}
		feed.Entries = append(feed.Entries, f.entry(n))
	}
	body, err := xml.MarshalIndent(feed, "", " ")
	if err != nil {
		return nil, fmt.Errorf("render a feed: %w", err)
	}
	return append([]byte(xml.Header), append(body, '\n')...), nil
}

func (f Feed) entry(n Notice) atomEntry {
	at, what := n.Time.Format(time.RFC3339Nano), n.ArtifactType
	if what == "" {
		what = n.MediaType
	}
	entry := atomEntry{
		ID: n.URN(), Title: cut(what+" of "+n.Repository+"@"+n.Subject.String(), maxTitle), Updated: at, Published: at,
		Content: atomContent{"text", contentOf(n)},
	}
	if n.ArtifactType != "" {
		entry.Categories = &atomCategory{n.ArtifactType}
	}
	if f.Manifest != nil {
		entry.Links = append(entry.Links,
			atomLink{Rel: "alternate", Href: f.Manifest(n.Repository, n.Digest), Type: n.MediaType, Title: "the referrer", Length: n.Size},
			atomLink{Rel: "related", Href: f.Manifest(n.Repository, n.Subject), Title: "its subject"})
	}
	if f.Referrers != nil {
		entry.Links = append(entry.Links, atomLink{Rel: "related", Href: f.Referrers(n.Repository, n.Subject), Title: "all referrers of the subject"})
	}
	return entry
}

// contentOf says a notice in lines.
func contentOf(n Notice) string {
	var text strings.Builder
	line := func(name, value string) {
		if value != "" {
			text.WriteString(name + ": " + value + "\n")
		}
	}
	line("repository", n.Repository)
	line("subject", n.Subject.String())
	line("referrer", n.Digest.String())
	line("mediaType", n.MediaType)
	line("artifactType", n.ArtifactType)
	line("size", fmt.Sprint(n.Size))
	for _, key := range slices.Sorted(maps.Keys(n.Annotations)) {
		if text.Len() > maxContent {
			text.WriteString("…\n")
			break
		}
		line(cut(key, maxContent/8), cut(n.Annotations[key], maxContent/8))
	}
	return text.String()
}

// cut cuts a text that is longer than so many bytes, between two letters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
