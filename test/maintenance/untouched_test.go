package maintenance

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/backref/backref/client"
	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy"
	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/test/rig"
	"github.com/backref/backref/upstream"
)

// untouched is one run: a registry, backref before it, and what they hold.
type untouched struct {
	registry          *keptRegistry
	direct, through   string
	commands          *client.Repository
	store             index.Maintainer
	mirror            *reconcile.Mirror
	reconciler        *reconcile.Reconciler
	later             time.Duration
	plain, referrings []rig.Manifest
	subjects          []rig.Descriptor
}

func newUntouched(t *rapid.T, dir string, kept *keptRegistry) (*untouched, func()) {
	u := &untouched{registry: kept}
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
	cfg.Reconcile.Rate = 1e9
	file := filepath.Join(dir, fmt.Sprint("index-", time.Now().UnixNano(), ".db"))
	store, err := bolt.Open(file, bolt.Options{})
	must(err)
	must(store.SetOutbox(t.Context(), true))
	asked, err := upstream.New(options.Upstream(cfg.Upstream))
	must(err)
	door, err := options.Proxy(cfg, store, asked, zap.NewNop())
	must(err)
	handler, err := proxy.New(door)
	must(err)
	front := httptest.NewServer(handler)
	settings := options.Source(cfg, asked, store)
	settings.Now = func() time.Time { return time.Now().Add(u.later) }
	source := reconcile.NewSource(settings)
	u.store, u.direct, u.through = store, behind.URL, front.URL
	u.reconciler = reconcile.New(store, source, reconcile.Settings{Concurrency: cfg.Reconcile.Concurrency}, zap.NewNop())
	u.mirror = reconcile.NewMirror(reconcile.MirrorOptions{
		Store: store, Source: source, Own: handler.Registry().LockTag, HiddenTags: true, Concurrency: 2, Log: zap.NewNop(),
	})
	user, err := client.New(client.Options{UserAgent: "command"})
	must(err)
	u.commands = user.Repository(client.Reference{Host: base.Host, Repository: kept.name})
	u.fill()
	return u, func() {
		front.Close()
		handler.Close()
		asked.Close()
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
	var body []byte
	asked := clientRequest{method: method, reference: reference}
	if method == http.MethodPut {
		body, asked.sum = m.Bytes(), m.Digest()
	}
	u.registry.expect(asked)
	defer u.registry.expect(clientRequest{})
	req, err := http.NewRequestWithContext(t.Context(), method, way+"/v2/"+u.registry.name+"/manifests/"+reference, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", m.MediaType)
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
		tag = oci.HiddenTag(rapid.SampledFrom(u.referrings).Draw(t, "of").Digest())
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
	u.send(t, http.MethodDelete, u.any(t).Digest().String(), rig.Manifest{})
}

// untag deletes a tag, which stands for something or not.
func (u *untouched) untag(t *rapid.T) {
	tag := tagFor(rapid.SampledFrom(u.subjects).Draw(t, "subject").Digest)
	if rapid.Bool().Draw(t, "hidden") {
		tag = oci.HiddenTag(rapid.SampledFrom(u.referrings).Draw(t, "of").Digest())
	}
	u.send(t, http.MethodDelete, tag, rig.Manifest{})
}

// list reads the listing of a subject, its tag and the tags through backref: none
// is an error, and no tag is missing that is something else.
func (u *untouched) list(t *rapid.T) {
	subject := rapid.SampledFrom(u.subjects).Draw(t, "subject")
	var tags struct{ Tags []string }
	for _, path := range []string{"referrers/" + subject.Digest.String(), "manifests/" + tagFor(subject.Digest), "tags/list"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.through+"/v2/"+u.registry.name+"/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK && (resp.StatusCode != http.StatusNotFound || strings.HasPrefix(path, "referrers/")) {
			t.Fatalf("%s: status %d: %s", path, resp.StatusCode, body)
		}
		tags.Tags = nil
		_ = json.Unmarshal(body, &tags)
	}
	for _, tag := range u.registry.notHidden() {
		if !slices.Contains(tags.Tags, tag) {
			t.Fatalf("tag %s is hidden, of %v", tag, tags.Tags)
		}
	}
}

// command has the command line read what the registry has, past backref.
func (u *untouched) command(t *rapid.T) {
	subject := rapid.SampledFrom(u.subjects).Draw(t, "subject")
	if _, err := u.commands.Referrers(t.Context(), subject.Digest, index.Query{}); err != nil {
		t.Fatal(err)
	}
	if _, err := u.commands.TagNames(t.Context()); err != nil && !errors.Is(err, client.ErrNotFound) {
		t.Fatal(err)
	}
}

// run makes one random history.
func (u *untouched) run(t *rapid.T) {
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	options := reconcile.Options{Repositories: []string{u.registry.name}, NoCatalog: true, AllowPartial: true}
	t.Repeat(map[string]func(*rapid.T){
		"": func(t *rapid.T) {
			if violations := u.registry.violated(); len(violations) > 0 {
				t.Fatal(strings.Join(violations, "\n"))
			}
		},
		"attach": u.pushReferrer, "tag": u.pushTag, "push": u.push, "delete": u.drop, "untag": u.untag, "list": u.list, "command": u.command,
		"mirror": func(t *rapid.T) {
			u.later += 2 * time.Hour
			check(u.mirror.Pass(t.Context()))
		},
		"prune": func(t *rapid.T) {
			check(u.reconciler.Prune(t.Context(), options, false, func(reconcile.Pruned) {}))
		},
		"hold": func(t *rapid.T) {
			check(u.reconciler.Hold(t.Context(), options, false, func(reconcile.Held) {}))
		},
		"rebuild": func(t *rapid.T) {
			_, err := u.reconciler.Rebuild(t.Context(), options, nil)
			check(err)
		},
		"verify": func(t *rapid.T) {
			fixing := options
			fixing.Fix = true
			_, err := u.reconciler.Verify(t.Context(), fixing, nil)
			check(err)
		},
	})
}

// audit makes sure that a real registry has what it was seen to get.
func (u *untouched) audit(t *rapid.T) {
	has := func(reference string, want digest.Digest) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, u.registry.behind+"/v2/"+u.registry.name+"/manifests/"+reference, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header["Accept"] = []string{rig.ImageIndex, rig.ImageManifest, rig.DockerList}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("Docker-Content-Digest"); resp.StatusCode != http.StatusOK || got != want.String() {
			t.Errorf("%s: status %d, %s, want %s", reference, resp.StatusCode, got, want)
		}
	}
	for sum := range u.registry.manifests {
		has(sum.String(), sum)
	}
	for tag, sum := range u.registry.tags {
		has(tag, sum)
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
// make stands for another, or is hidden, except where a client says so by name,
// or where it is a list of referrers of exactly that subject.
func TestX2NothingElseIsTouched(t *testing.T) {
	for name, odd := range map[string]func(*keptRegistry){
		"plain":  func(*keptRegistry) {},
		"gitlab": func(k *keptRegistry) { k.gitlab = true },
		"strict": func(k *keptRegistry) { k.strict = true },
	} {
		t.Run(name, func(t *testing.T) {
			dir := inMemory(t)
			rapid.Check(t, func(t *rapid.T) {
				kept := newKeptRegistry("app")
				odd(kept)
				u, end := newUntouched(t, dir, kept)
				defer end()
				u.run(t)
			})
		})
	}
}

// The same with real registries, which refuse some of it.
func TestX2NothingElseIsTouchedInDistribution(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	t.Cleanup(func() { _ = checks.Value.Set(before) })
	if err := checks.Value.Set("10"); err != nil {
		t.Fatal(err)
	}
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry, dir, histories := rig.NewRegistry(t, version), inMemory(t), 0
		rapid.Check(t, func(rt *rapid.T) {
			histories++
			kept := newKeptRegistry(fmt.Sprint("app", histories))
			kept.behind = registry.URL
			rig.PushBlob(t, registry.URL, kept.name, rig.Empty)
			u, end := newUntouched(rt, dir, kept)
			defer end()
			u.run(rt)
			u.audit(rt)
		})
	})
}
