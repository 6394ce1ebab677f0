package proxy_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
)

// dated is a referrer with the time when it was made.
func dated(name string, subject digest.Digest, created string) []byte {
	return []byte(strings.Replace(string(referrer(name, subject)), `{"schemaVersion":2,`,
		`{"schemaVersion":2,"annotations":{"org.opencontainers.image.created":"`+created+`"},`, 1))
}

// Where no order is asked for, a listing has that of the setting: tools that
// take the first entry take the newest. Its further pages keep the order.
func TestTheUsualOrder(t *testing.T) {
	f := newFixture(t, func(c *config.Config) { c.Referrers.Order = "-created" })
	subject := f.registry.put("app", image("subject"))
	var want []digest.Digest
	for _, day := range []string{"03", "02", "01"} {
		body := dated(day, subject, "2026-01-"+day+"T00:00:00Z")
		want = append(want, digest.FromBytes(body))
		if got := f.push("app", body); got.status != http.StatusCreated {
			t.Fatalf("push: %d %s", got.status, got.body)
		}
	}
	if got := f.list("app", subject); !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	var paged []digest.Digest
	for path := "/v2/app/referrers/" + subject.String() + "?n=1"; path != ""; {
		got := f.do(http.MethodGet, path, nil)
		paged = append(paged, listed(t, got.body)...)
		path = nextOf(got.header.Get("Link"))
	}
	if !slices.Equal(paged, want) {
		t.Errorf("in pages %v, want %v", paged, want)
	}
	got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String()+"?sort=created&n=1", nil)
	if first := listed(t, got.body); len(first) != 1 || first[0] != want[2] {
		t.Errorf("in the order that was asked for: %v", first)
	}
}

// A + that a client didn't encode is no space: no media type has one.
func TestAnUnencodedPlusInAType(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	body := []byte(strings.Replace(string(referrer("a", subject)), "application/vnd.example.a", "application/spdx+json", 1))
	if got := f.push("app", body); got.status != http.StatusCreated {
		t.Fatalf("push: %d %s", got.status, got.body)
	}
	for _, value := range []string{"application/spdx+json", url.QueryEscape("application/spdx+json")} {
		got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String()+"?artifactType="+value, nil)
		if found := listed(t, got.body); len(found) != 1 || got.header.Get("OCI-Filters-Applied") != "artifactType" {
			t.Errorf("%s: %v %v", value, found, got.header)
		}
	}
}
