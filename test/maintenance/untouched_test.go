package maintenance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/proxy"
	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/test/rig"
	"github.com/backref/backref/upstream"
)

// keptRegistry is a registry of one repository, app, that notes what backref
// overwrites or deletes there without a right to.
type keptRegistry struct {
	// gitlab resolves a tag sha256-HEX to the manifest sha256:HEX.
	gitlab bool

	mutex     sync.Mutex
	manifests map[digest.Digest][]byte
	tags      map[string]digest.Digest
	// ever is all that was ever there, made what backref brought itself.
	ever       map[digest.Digest][]byte
	made       map[digest.Digest]bool
	violations []string
}

type anyManifest struct {
	MediaType string
	Subject   *struct{ Digest digest.Digest }
	Manifests []struct {
		MediaType string
		Digest    digest.Digest
	}
}

func read(body []byte) anyManifest {
	var m anyManifest
	_ = json.Unmarshal(body, &m)
	return m
}

func (k *keptRegistry) resolve(reference string) digest.Digest {
	if strings.Contains(reference, ":") {
		return digest.Digest(reference)
	}
	if itself := digest.Digest(strings.Replace(reference, "-", ":", 1)); k.gitlab && k.manifests[itself] != nil {
		return itself
	}
	return k.tags[reference]
}

func (k *keptRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	own := r.Header.Get("User-Agent") == "backref"
	reference, found := strings.CutPrefix(r.URL.Path, "/v2/app/manifests/")
	switch {
	case r.URL.Path == "/v2/_catalog":
		_, _ = io.WriteString(w, `{"repositories":["app"]}`)
	case r.URL.Path == "/v2/app/tags/list":
		encoded, _ := json.Marshal(slices.Sorted(maps.Keys(k.tags)))
		_, _ = fmt.Fprintf(w, `{"name":"app","tags":%s}`, encoded)
	case !found:
		http.NotFound(w, r)
	case r.Method == http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		k.put(w, reference, body, own)
	case r.Method == http.MethodDelete:
		k.drop(w, digest.Digest(reference), own)
	default:
		sum := k.resolve(reference)
		body, there := k.manifests[sum]
		if !there {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", read(body).MediaType)
		w.Header().Set("Docker-Content-Digest", sum.String())
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body)
	}
}

func (k *keptRegistry) put(w http.ResponseWriter, reference string, body []byte, own bool) {
	sum := digest.FromBytes(body)
	for _, entry := range read(body).Manifests {
		if own && k.manifests[entry.Digest] == nil {
			w.WriteHeader(http.StatusBadRequest) // As Distribution does.
			return
		}
	}
	if !strings.Contains(reference, ":") {
		if before := k.tags[reference]; own && before != "" && before != sum && !k.replaceable(reference, before) {
			k.violations = append(k.violations, fmt.Sprintf("tag %s was overwritten, which stood for %s", reference, k.manifests[before]))
		}
		k.tags[reference] = sum
	}
	if own && k.ever[sum] == nil {
		k.made[sum] = true
	}
	k.manifests[sum], k.ever[sum] = body, body
	w.Header().Set("Docker-Content-Digest", sum.String())
	w.WriteHeader(http.StatusCreated)
}

func (k *keptRegistry) drop(w http.ResponseWriter, sum digest.Digest, own bool) {
	if k.manifests[sum] == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if own && !k.made[sum] && !k.listsReferrers(sum) {
		k.violations = append(k.violations, fmt.Sprintf("%s was deleted: %s", sum, k.manifests[sum]))
	}
	delete(k.manifests, sum)
	maps.DeleteFunc(k.tags, func(_ string, named digest.Digest) bool { return named == sum })
	w.WriteHeader(http.StatusAccepted)
}

// replaceable tells whether backref may have a tag stand for something else.
func (k *keptRegistry) replaceable(tag string, before digest.Digest) bool {
	return k.made[before] || k.listsReferrersOf(before, digest.Digest(strings.Replace(tag, "-", ":", 1)))
}

// listsReferrers tells whether a manifest is a list of referrers of any one
// subject.
func (k *keptRegistry) listsReferrers(sum digest.Digest) bool {
	for _, body := range k.ever {
		if subject := read(body).Subject; subject != nil && k.listsReferrersOf(sum, subject.Digest) {
			return true
		}
	}
	return false
}

// listsReferrersOf is the rule in other words than those of the program: what
// is there of an index's entries refers to the subject, and one entry at least
// is, or was, such a referrer.
func (k *keptRegistry) listsReferrersOf(sum, subject digest.Digest) bool {
	list, proven := read(k.manifests[sum]), false
	for _, entry := range list.Manifests {
		about := read(k.ever[entry.Digest]).Subject
		right := about != nil && about.Digest == subject
		if k.manifests[entry.Digest] != nil && !right || !strings.Contains(entry.MediaType, "manifest") && !strings.Contains(entry.MediaType, "index") {
			return false
		}
		proven = proven || right
	}
	return list.MediaType == rig.ImageIndex && list.Subject == nil && sum != subject && proven
}

// untouched is one run: a registry, backref before it, and what they hold.
type untouched struct {
	registry          *keptRegistry
	direct, through   string
	store             index.Maintainer
	mirror            *reconcile.Mirror
	reconciler        *reconcile.Reconciler
	later             time.Duration
	plain, referrings []rig.Manifest
	subjects          []rig.Descriptor
}

func newUntouched(t *rapid.T, dir string, gitlab bool) (*untouched, func()) {
	u := &untouched{registry: &keptRegistry{
		gitlab: gitlab, manifests: map[digest.Digest][]byte{}, tags: map[string]digest.Digest{}, ever: map[digest.Digest][]byte{}, made: map[digest.Digest]bool{},
	}}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	behind := httptest.NewServer(u.registry)
	base, err := url.Parse(behind.URL)
	must(err)
	cfg := config.Default()
	cfg.Upstream.URL = base
	cfg.Upstream.Service.Anonymous = true
	cfg.Referrers.FallbackTags, cfg.Referrers.RecheckTag = config.FallbackMirror, 0
	cfg.Reconcile.Rate, cfg.Reconcile.MissingTwice = 1e9, 0
	file := filepath.Join(dir, fmt.Sprint("index-", time.Now().UnixNano(), ".db"))
	store, err := bolt.Open(file, bolt.Options{})
	must(err)
	must(store.SetOutbox(t.Context(), true))
	registry, err := upstream.New(cfg.Upstream)
	must(err)
	handler, err := proxy.New(proxy.Options{Config: cfg, Store: store, Upstream: registry, Log: zap.NewNop()})
	must(err)
	front := httptest.NewServer(handler)
	source := reconcile.NewSource(registry, cfg, func() time.Time { return time.Now().Add(u.later) })
	u.store, u.direct, u.through = store, behind.URL, front.URL
	u.reconciler = reconcile.New(store, source, cfg.Reconcile, zap.NewNop())
	u.mirror = reconcile.NewMirror(reconcile.MirrorOptions{
		Store: store, Source: source, Own: handler.OwnTag, HiddenTags: true, Concurrency: 2, Log: zap.NewNop(),
	})
	u.fill()
	return u, func() {
		front.Close()
		handler.Close()
		registry.Close()
		behind.Close()
		_ = errors.Join(store.Close(), os.Remove(file))
	}
}

// fill makes what the tags of a run may stand for.
func (u *untouched) fill() {
	a, b := rig.Image("a"), rig.Image("b")
	multi := rig.Index(a.Descriptor(), b.Descriptor())
	layer := rig.BlobDescriptor("application/vnd.oci.image.layer.v1.tar+gzip")
	docker := rig.Index(a.Descriptor())
	docker.MediaType = rig.DockerList
	u.plain = []rig.Manifest{a, b, multi, docker, rig.Index(layer), rig.Index()}
	for _, subject := range []rig.Manifest{a, multi} {
		u.subjects = append(u.subjects, subject.Descriptor())
		for _, name := range []string{"x", "y"} {
			u.referrings = append(u.referrings, rig.Artifact("application/vnd.example", name, subject.Descriptor()))
		}
	}
}

func tagFor(subject digest.Digest) string {
	return strings.Replace(subject.String(), ":", "-", 1)
}

// send sends a manifest, by one of the two ways.
func (u *untouched) send(t *rapid.T, method, reference string, m rig.Manifest) {
	way := rapid.SampledFrom([]string{u.direct, u.through}).Draw(t, "way")
	req, err := http.NewRequestWithContext(t.Context(), method, way+"/v2/app/manifests/"+reference, bytes.NewReader(m.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", m.MediaType)
	req.Header.Set("User-Agent", "client")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError {
		t.Fatalf("%s %s: status %d", method, reference, resp.StatusCode)
	}
}

// any draws a manifest: an image of some kind, a referrer, or an index of some
// of them, be they there or not.
func (u *untouched) any(t *rapid.T) rig.Manifest {
	all := slices.Concat(u.plain, u.referrings)
	if rapid.Bool().Draw(t, "single") {
		return rapid.SampledFrom(all).Draw(t, "manifest")
	}
	var entries []rig.Descriptor
	for _, m := range rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, 3, rig.Manifest.Digest).Draw(t, "entries") {
		entries = append(entries, m.Descriptor())
	}
	return rig.Index(entries...)
}

func (u *untouched) pushReferrer(t *rapid.T) {
	m := rapid.SampledFrom(u.referrings).Draw(t, "referrer")
	u.send(t, http.MethodPut, m.Digest().String(), m)
}

// pushTag pushes something under a tag of the form of a referrers tag: a list of
// the subject's referrers, the subject itself, or anything.
func (u *untouched) pushTag(t *rapid.T) {
	subject := rapid.SampledFrom(u.subjects).Draw(t, "subject")
	tag := tagFor(subject.Digest)
	if rapid.IntRange(0, 9).Draw(t, "hidden") == 0 {
		tag = index.HiddenTag(rapid.SampledFrom(u.referrings).Draw(t, "of").Digest())
	}
	m := u.any(t)
	switch rapid.SampledFrom([]string{"list", "itself", "any"}).Draw(t, "what") {
	case "list":
		var entries []rig.Descriptor
		for _, r := range u.referrings {
			if r.Subject.Digest == subject.Digest && rapid.Bool().Draw(t, "listed") {
				entries = append(entries, r.Descriptor())
			}
		}
		m = rig.Index(entries...)
	case "itself":
		for _, plain := range u.plain {
			if plain.Digest() == subject.Digest {
				m = plain
			}
		}
	}
	u.send(t, http.MethodPut, tag, m)
}

func (u *untouched) push(t *rapid.T) {
	m := u.any(t)
	u.send(t, http.MethodPut, m.Digest().String(), m)
}

func (u *untouched) drop(t *rapid.T) {
	m := u.any(t)
	u.send(t, http.MethodDelete, m.Digest().String(), rig.Manifest{})
}

func (u *untouched) list(t *rapid.T) {
	subject := rapid.SampledFrom(u.subjects).Draw(t, "subject")
	for _, path := range []string{"referrers/" + subject.Digest.String(), "tags/list"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.through+"/v2/app/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d: %s", path, resp.StatusCode, body)
		}
	}
}

// inMemory returns a folder that is in memory where there is one: the disk is
// not what is tested.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "backref-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// No manifest that backref did not make disappears, and no tag that it did not
// make stands for another, except where a client says so by name, or where it is
// a list of referrers of exactly that subject.
func TestX2NothingElseIsTouched(t *testing.T) {
	for _, gitlab := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "gitlab"}[gitlab], func(t *testing.T) {
			dir := inMemory(t)
			rapid.Check(t, func(rt *rapid.T) {
				u, end := newUntouched(rt, dir, gitlab)
				defer end()
				check := func(err error) {
					if err != nil {
						rt.Fatal(err)
					}
				}
				rt.Repeat(map[string]func(*rapid.T){
					"": func(rt *rapid.T) {
						if len(u.registry.violations) > 0 {
							rt.Fatal(strings.Join(u.registry.violations, "\n"))
						}
					},
					"attach": u.pushReferrer, "tag": u.pushTag, "push": u.push, "delete": u.drop, "list": u.list,
					"mirror": func(rt *rapid.T) {
						u.later += 2 * time.Hour
						check(u.mirror.Pass(rt.Context()))
					},
					"prune": func(rt *rapid.T) {
						check(u.reconciler.Prune(rt.Context(), reconcile.Options{}, false, func(reconcile.Pruned) {}))
					},
					"rebuild": func(rt *rapid.T) {
						_, err := u.reconciler.Rebuild(rt.Context(), reconcile.Options{}, nil)
						check(err)
					},
					"verify": func(rt *rapid.T) {
						_, err := u.reconciler.Verify(rt.Context(), reconcile.Options{Fix: true}, nil)
						check(err)
					},
				})
			})
		})
	}
}
