package client

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

func names(tags []Tag) string {
	var list []string
	for _, tag := range tags {
		list = append(list, tag.Tag)
	}
	return strings.Join(list, " ")
}

func TestTagOrder(t *testing.T) {
	day := func(n int) *time.Time {
		at := time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC)
		return &at
	}
	tags := []Tag{
		{Tag: "latest", Version: "latest"},
		{Tag: "v1.10.0", Version: "v1.10.0", Created: day(3)},
		{Tag: "v1.2.0", Version: "v1.2.0", Created: day(1)},
		{Tag: "v1.10.0-rc.1", Version: "v1.10.0-rc.1", Created: day(2)},
		{Tag: "nightly", Version: "1.3", Created: day(4)},
	}
	for order, want := range map[string]string{
		"version":  "v1.2.0 nightly v1.10.0-rc.1 v1.10.0 latest",
		"-version": "v1.10.0 v1.10.0-rc.1 nightly v1.2.0 latest",
		"created":  "v1.2.0 v1.10.0-rc.1 v1.10.0 nightly latest",
		"-created": "nightly v1.10.0 v1.10.0-rc.1 v1.2.0 latest",
	} {
		parsed, err := index.ParseOrder(order)
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(tags)
		sortTags(tags, parsed)
		if got := names(tags); got != want {
			t.Errorf("%s: %s, want %s", order, got, want)
		}
	}
}

func TestBetween(t *testing.T) {
	tags := []Tag{{Tag: "a", Version: "1"}, {Tag: "b", Version: "2"}, {Tag: "c", Version: "3"}, {Tag: "d", Version: "4"}, {Tag: "e"}}
	got, err := Between(tags, "b", "c", index.SortVersion)
	if err != nil || names(got) != "b c" {
		t.Errorf("%v, %v", got, err)
	}
	for _, ends := range [][2]string{{"x", "c"}, {"b", "x"}, {"c", "b"}, {"b", "e"}, {"e", "e"}, {"e", "x"}} {
		if got, err := Between(tags, ends[0], ends[1], index.SortVersion); err == nil {
			t.Errorf("%v: %v", ends, got)
		}
	}
}

func TestATagWithoutItsConfigIsListed(t *testing.T) {
	registry, repository := newRegistry(t)
	body := `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + sum + `","size":2},"layers":[]}`
	registry.manifest(body, oci.MediaTypeImageManifest, "v1.0.0")
	registry.HandleFunc("GET /v2/app/tags/list", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"tags":["v1.0.0","deleted"]}`))
	})
	tags, err := repository.Tags(t.Context(), index.Order{By: index.SortVersion})
	if err != nil || names(tags) != "v1.0.0" || tags[0].Created != nil {
		t.Errorf("%v, %v", tags, err)
	}
}
