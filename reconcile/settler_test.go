package reconcile_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
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

// A referrers tag is read again where a delete overtook its reading: nobody has
// to wait for the next pass.
func TestAnImportThatIsOvertakenIsReadAgain(t *testing.T) {
	store, err := bolt.Open(filepath.Join(t.TempDir(), "index.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	subject := digest.FromString("subject")
	referrer := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"layers":[],"subject":{"digest":%q}}`, oci.MediaTypeImageManifest, subject)
	name := digest.FromBytes(referrer)
	list := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		oci.MediaTypeImageIndex, oci.MediaTypeImageManifest, name, len(referrer))
	var overtake sync.Once
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, mediaType := list, oci.MediaTypeImageIndex
		if strings.HasSuffix(r.URL.Path, name.String()) {
			body, mediaType = referrer, oci.MediaTypeImageManifest
			overtake.Do(func() {
				id, err := store.Begin(r.Context(), index.Intent{
					Kind: index.IntentDelete, Deadline: time.Now(),
					Record: index.Record{Repository: "app", Manifest: index.Manifest{Digest: name}},
				})
				if err == nil {
					err = store.Confirm(r.Context(), id, time.Now())
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write(body)
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
		Upstream: asked, Index: store, Rate: 1000, Limits: registry.Limits{Size: 1 << 20, Entries: 10, Concurrency: 1},
	})
	_, err = store.Begin(t.Context(), index.Intent{
		Kind: index.IntentImport, Tag: oci.ReferrersTag(subject), Deadline: time.Now().Add(-time.Minute),
		Record: index.Record{Repository: "app"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := reconcile.NewSettler(store, source, time.Hour, zap.NewNop(), nil).Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, err := store.Referrers(t.Context(), "app", subject, index.Query{})
	if err != nil || len(page.Referrers) != 1 || page.Referrers[0].Digest != name {
		t.Errorf("listed %v, %v", page.Referrers, err)
	}
	if open, err := store.Intents(t.Context(), 0, 10); err != nil || len(open) != 0 {
		t.Errorf("open: %v, %v", open, err)
	}
}
