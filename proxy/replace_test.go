package proxy_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/registry"
)

// replace pushes a referrer by its digest in the place of others.
func (f family) replace(manifest []byte, others ...digest.Digest) reply {
	f.t.Helper()
	path := "/v2/a/manifests/" + digest.FromBytes(manifest).String()
	for i, other := range others {
		path += map[bool]string{true: "?", false: "&"}[i == 0] + "replaces=" + other.String()
	}
	return f.do(http.MethodPut, path, manifest, "Content-Type", imageManifest)
}

func TestC7AReferrerTakesThePlaceOfOthers(t *testing.T) {
	f := newFamily(t)
	fresh := referrer("fresh", f.image)
	// The second time it is as after an answer that was lost.
	for range 2 {
		got := f.replace(fresh, f.sbom, f.scan)
		if got.status != http.StatusCreated || got.header.Get("OCI-Subject") != f.image.String() || len(got.header.Values(registry.HeaderReplaced)) != 2 {
			t.Fatalf("%d %v %s", got.status, got.header, got.body)
		}
		if listed := f.list("a", f.image); !slices.Equal(listed, []digest.Digest{digest.FromBytes(fresh)}) {
			t.Errorf("listed: %v", listed)
		}
		if f.has(f.sbom) || f.has(f.scan) || !f.has(f.signature) {
			t.Error("what is there is not what should be")
		}
	}
	for _, path := range f.registry.seen() {
		if strings.Contains(path, "replaces") {
			t.Errorf("the registry saw %s", path)
		}
	}
}

func TestC7WhatCantBeReplacedChangesNothing(t *testing.T) {
	f := newFamily(t)
	fresh := referrer("fresh", f.image)
	none := digest.FromString("none")
	for name, c := range map[string]struct {
		got    reply
		status int
		reason string
	}{
		"of another subject": {f.replace(fresh, f.signature), http.StatusBadRequest, "another subject"},
		"not there":          {f.replace(fresh, none), http.StatusNotFound, "is not there"},
		"without a subject":  {f.replace(image("x"), f.sbom), http.StatusBadRequest, "with a subject"},
		"itself":             {f.replace(fresh, digest.FromBytes(fresh)), http.StatusBadRequest, "that is pushed"},
		"no digest":          {f.replace(fresh, "v1"), http.StatusBadRequest, "no digest"},
	} {
		if c.got.status != c.status || !strings.Contains(string(c.got.body), c.reason) {
			t.Errorf("%s: %d %s", name, c.got.status, c.got.body)
		}
	}
	if f.has(digest.FromBytes(fresh)) || len(f.list("a", f.image)) != 2 {
		t.Error("something was changed")
	}
}

// A registry that deletes nothing is found out before anything is pushed.
func TestC7NothingHalfDoneWithoutDeletes(t *testing.T) {
	f := newFamily(t)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return true
		}
		return f.registry.listTags(w, r)
	})
	fresh := referrer("fresh", f.image)
	got := f.replace(fresh, f.sbom)
	if got.status != http.StatusMethodNotAllowed || !strings.Contains(string(got.body), "enable deletes") || f.has(digest.FromBytes(fresh)) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if len(f.list("a", f.image)) != 2 {
		t.Error("the listing has changed")
	}
}

// What can't be deleted just now is listed no more.
func TestC7TheOldIsNotListedWhileItIsThere(t *testing.T) {
	f := newFamily(t)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, f.scan.String()) {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}
		return f.registry.listTags(w, r)
	})
	fresh := referrer("fresh", f.image)
	got := f.replace(fresh, f.scan)
	if got.status != http.StatusCreated || got.header.Get(registry.HeaderReplacing) != f.scan.String() || got.header.Get(registry.HeaderReplaced) != "" {
		t.Fatalf("%d %v %s", got.status, got.header, got.body)
	}
	if listed := f.list("a", f.image); slices.Contains(listed, f.scan) || !slices.Contains(listed, digest.FromBytes(fresh)) || !f.has(f.scan) {
		t.Errorf("listed: %v", listed)
	}
}
