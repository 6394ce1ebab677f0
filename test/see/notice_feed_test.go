package see

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

func newStrictDecoder(r io.Reader) *xml.Decoder {
	decoder := xml.NewDecoder(r)
	decoder.Strict = true
	return decoder
}

type atomDocument struct {
	XMLName xml.Name   `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string     `xml:"id"`
	Updated string     `xml:"updated"`
	Links   []atomLink `xml:"link"`
	Entries []struct {
		ID      string     `xml:"id"`
		Title   string     `xml:"title"`
		Content string     `xml:"content"`
		Links   []atomLink `xml:"link"`
	} `xml:"entry"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Href string `xml:"href,attr"`
}

// digests returns what the entries are about, as their first links lead there.
func (d atomDocument) digests() (all []string) {
	for _, e := range d.Entries {
		for _, l := range e.Links {
			if l.Rel == "alternate" {
				all = append(all, l.Href[strings.LastIndex(l.Href, "/")+1:])
			}
		}
	}
	return all
}

func readFeed(t *testing.T, address string, headers ...string) (atomDocument, rig.Reply) {
	t.Helper()
	reply := rig.Do(t, http.MethodGet, address, nil, headers...).Want(t, http.StatusOK)
	if got := reply.Header.Get("Content-Type"); got != "application/atom+xml" {
		t.Fatalf("content type %q", got)
	}
	var feed atomDocument
	strictXML(t, string(reply.Body), &feed)
	return feed, reply
}

// A feed shows what came and is still listed, the latest first, by pages, and is
// well-formed whatever annotations say.
func TestNoticeFeed(t *testing.T) {
	t.Parallel()
	registry := rig.NewRegistry(t, rig.Distribution2)
	b := rig.NewBackref(t, registry.URL)
	image := rig.Image("feed")
	rig.PushBlob(t, b.URL, "prod/app", rig.Empty)
	rig.Push(t, b.URL, "prod/app", "v1", image).Want(t, http.StatusCreated)
	early := rig.Artifact("application/vnd.example.scan", "early", image.Descriptor())
	rig.Push(t, b.URL, "prod/app", "", early).Want(t, http.StatusCreated)
	rig.Do(t, http.MethodGet, b.URL+"/v2/prod/app/_backref/notices/feed", nil).Want(t, http.StatusNotFound)
	rig.Do(t, http.MethodGet, b.AdminURL+"/admin/notices/feed", nil).Want(t, http.StatusNotFound)

	b.Restart("--set", "notices.keep=24h", "--set", "server.publicURL="+b.URL)
	here := b.URL + "/v2/prod/app/_backref/notices/feed"
	if feed, _ := readFeed(t, here); len(feed.Entries) != 0 {
		t.Fatalf("what was there before is news: %v", feed.digests())
	}
	scan := rig.Artifact("application/vnd.example.scan", "scan", image.Descriptor())
	hostile := rig.Artifact("application/vnd.example.sbom+json", "hostile", image.Descriptor())
	hostile.Annotations = map[string]string{"k<]]>&\"'": "</content><script>alert(1)</script>\x00\x01\uffff", "\u202e": "a\nb"}
	gone := rig.Artifact("application/vnd.example.scan", "gone", image.Descriptor())
	for _, m := range []rig.Manifest{scan, hostile, gone} {
		rig.Push(t, b.URL, "prod/app", "", m).Want(t, http.StatusCreated)
	}
	rig.Do(t, http.MethodDelete, b.URL+"/v2/prod/app/manifests/"+gone.Digest().String(), nil).Want(t, http.StatusAccepted)
	feed, reply := readFeed(t, here)
	if got, want := feed.digests(), []string{hostile.Digest().String(), scan.Digest().String()}; !slices.Equal(got, want) {
		t.Fatalf("entries %v, want %v", got, want)
	}
	if !strings.Contains(feed.Entries[0].Content, "</content><script>") {
		t.Errorf("content %q", feed.Entries[0].Content)
	}
	base, err := url.Parse(here)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range feed.Entries[0].Links {
		to, err := base.Parse(l.Href)
		if err != nil {
			t.Fatal(err)
		}
		rig.Do(t, http.MethodGet, to.String(), nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
	}
	again, second := readFeed(t, here)
	if again.ID != feed.ID || string(second.Body) != string(reply.Body) {
		t.Error("the same feed is written differently")
	}
	rig.Do(t, http.MethodGet, here, nil, "If-None-Match", reply.Header.Get("ETag")).Want(t, http.StatusNotModified)

	t.Run("pages", func(t *testing.T) {
		first, _ := readFeed(t, here+"?n=1")
		next := ""
		for _, l := range first.Links {
			if l.Rel == "next" {
				next = l.Href
			}
		}
		to, err := base.Parse(next)
		if err != nil || next == "" {
			t.Fatalf("next %q, %v", next, err)
		}
		if second, _ := readFeed(t, to.String()); !slices.Equal(second.digests(), []string{scan.Digest().String()}) {
			t.Errorf("second page %v", second.digests())
		}
	})
	t.Run("filters", func(t *testing.T) {
		if only, _ := readFeed(t, here+"?artifactType=application/vnd.example.sc*"); !slices.Equal(only.digests(), []string{scan.Digest().String()}) {
			t.Errorf("by type %v", only.digests())
		}
		for _, wrong := range []string{"?artifacttype=x", "?n=0", "?before=x", "?repository=a", "?annotation=%3D"} {
			rig.Do(t, http.MethodGet, here+wrong, nil).Want(t, http.StatusBadRequest)
		}
		all := b.AdminURL + "/admin/notices/feed"
		if of, _ := readFeed(t, all+"?repository=prod/**"); len(of.Entries) != 2 {
			t.Errorf("of prod %v", of.digests())
		}
		if of, _ := readFeed(t, all+"?repository=test/**"); len(of.Entries) != 0 {
			t.Errorf("of test %v", of.digests())
		}
	})
	if listed := notices(t, b, "list", "-o", "json"); strings.Count(listed, `"msg_`) != 2 {
		t.Errorf("listed %s", listed)
	}
}

// A client that may not read in the repository is shown none of its news.
func TestNoticeFeedNeedsTheRight(t *testing.T) {
	t.Parallel()
	registry := rig.NewRegistry(t, rig.Distribution2)
	users := rig.NewHtpasswd(t, "ann", "x", "bob", "x")
	b := rig.NewBackref(t, registry.URL, "--set", "notices.keep=1h", "--set", "auth.mode=service", "--set", "auth.htpasswdFile="+users.Path,
		"--set", "upstream.service.anonymous=true", "--set", "auth.rules=[{repositories: [prod/**], users: [ann], allow: [pull, push]}]")
	feed := b.URL + "/v2/prod/app/_backref/notices/feed"
	rig.Do(t, http.MethodGet, feed, nil, "Authorization", basic("ann")).Want(t, http.StatusOK)
	rig.Do(t, http.MethodGet, feed, nil).Want(t, http.StatusUnauthorized)
	if reply := rig.Do(t, http.MethodGet, feed, nil, "Authorization", basic("bob")); reply.Status != http.StatusForbidden && reply.Status != http.StatusNotFound {
		t.Errorf("status %d", reply.Status)
	}
}
