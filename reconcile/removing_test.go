package reconcile_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// Neither a verification that mends, nor a rebuild, nor the settling brings back or
// ends what is being removed, and the intents are written out with it.
func TestWhatIsBeingRemovedIsLeftAlone(t *testing.T) {
	store, err := bolt.Open(filepath.Join(t.TempDir(), "index.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	subject := digest.FromString("subject")
	manifests := map[string][]byte{}
	for _, tag := range []string{"kept", "goes"} {
		body := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"layers":[],"subject":{"digest":%q},"annotations":{"a":%q}}`, oci.MediaTypeImageManifest, subject, tag)
		manifests[tag], manifests[digest.FromBytes(body).String()] = body, body
	}
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch body := manifests[path.Base(r.URL.Path)]; {
		case strings.HasSuffix(r.URL.Path, "/_catalog"):
			_, _ = w.Write([]byte(`{"repositories":["app"]}`))
		case strings.HasSuffix(r.URL.Path, "/tags/list"):
			_, _ = w.Write([]byte(`{"name":"app","tags":["goes","kept"]}`))
		case body != nil:
			w.Header().Set("Content-Type", oci.MediaTypeImageManifest)
			w.Header().Set("Docker-Content-Digest", digest.FromBytes(body).String())
			_, _ = w.Write(body)
		case r.URL.Path != "/v2/":
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(behind.Close)
	base, err := url.Parse(behind.URL)
	if err != nil {
		t.Fatal(err)
	}
	asked, err := upstream.New(upstream.Options{URL: base, Service: upstream.Service{Anonymous: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(asked.Close)
	source := reconcile.NewSource(reconcile.SourceOptions{
		Upstream: asked, Index: store, Rate: 1000, Limits: registry.Limits{Size: 1 << 20, Entries: 10, ListEntries: 10, Concurrency: 1},
	})
	reconciler := reconcile.New(store, source, reconcile.Settings{Concurrency: 1}, zap.NewNop())
	goes := digest.FromBytes(manifests["goes"])
	ids, err := store.Remove(t.Context(), time.Now().Add(-time.Hour), index.Key{Repository: "app", Digest: goes})
	if err != nil {
		t.Fatal(err)
	}
	var differences []reconcile.Difference
	verified, err := reconciler.Verify(t.Context(), reconcile.Options{Fix: true}, func(d reconcile.Difference) { differences = append(differences, d) })
	if err != nil || verified.Failed > 0 || len(differences) != 1 || differences[0].Digest == goes || !differences[0].Fixed {
		t.Errorf("verified %+v, %v, %v", verified, differences, err)
	}
	if _, err := reconciler.Rebuild(t.Context(), reconcile.Options{}, func(reconcile.Progress) {}); err != nil {
		t.Error(err)
	}
	if err := reconcile.NewSettler(store, source, time.Hour, zap.NewNop(), nil).Pass(t.Context()); err != nil {
		t.Error(err)
	}
	page, err := store.Referrers(t.Context(), "app", subject, index.Query{})
	if err != nil || len(page.Referrers) != 1 || page.Referrers[0].Digest == goes {
		t.Errorf("listed %v, %v", page.Referrers, err)
	}
	var out bytes.Buffer
	err = reconcile.ExportIntents(t.Context(), store, &out)
	if line := fmt.Sprintf(`{"id":%d,"kind":"removal",`, ids[0]); err != nil || !strings.HasPrefix(out.String(), line) || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("written out: %s, %v", out.String(), err)
	}
}
