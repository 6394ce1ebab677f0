package rig

import (
	"context"
	"net/url"
	"path/filepath"
	"sync"
	"testing"

	"github.com/backref/backref/test/openapi"
)

// described returns docs/openapi.yaml, which a process reads once.
var described = sync.OnceValues(func() (*openapi.Document, error) {
	root, err := checkout()
	if err != nil {
		return nil, err
	}
	return openapi.Load(context.Background(), filepath.Join(root, "docs", "openapi.yaml"))
})

// wantDescribed fails the test where an answer that backref gives itself is not
// as docs/openapi.yaml says.
func wantDescribed(t testing.TB, method, address string, reply Reply) {
	t.Helper()
	// Registries give their answers no identifier.
	if reply.Header.Get("X-Request-Id") == "" && reply.Header.Get("Server") != "backref" {
		return
	}
	document, err := described()
	if err != nil {
		t.Fatal(err)
	}
	asked, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Check(t.Context(), method, asked, openapi.Reply{Status: reply.Status, Header: reply.Header, Body: reply.Body}); err != nil {
		t.Error(err)
	}
}
