package maintenance

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// result is the report of a rebuild.
type result struct {
	Repositories, Found, Added, Kept, Dropped, Failed int
	Resumed, Swapped                                  bool
	Seconds                                           float64
}

// size returns a number of the test's size, from the environment for the long
// run.
func size(t *testing.T, variable string, short int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// populate pushes manifests to many repositories through b: tagged images,
// an index over some of them, untagged referrers and referrers of referrers.
// It returns how many manifests there are.
func populate(t *testing.T, b *rig.Backref, repositories, manifests int) int {
	t.Helper()
	const writers = 8
	var pushed atomic.Int64
	var group sync.WaitGroup
	work := make(chan int)
	for range writers {
		group.Go(func() {
			for i := range work {
				pushed.Add(int64(populateOne(t, b, fmt.Sprintf("team%d/app%d", i%7, i), manifests/repositories)))
			}
		})
	}
	for i := range repositories {
		work <- i
	}
	close(work)
	group.Wait()
	return int(pushed.Load())
}

func populateOne(t *testing.T, b *rig.Backref, repository string, manifests int) int {
	t.Helper()
	image := prepare(t, b.URL, repository)
	entries := []rig.Descriptor{image.Descriptor()}
	pushed := 1
	last := image
	for ; pushed < manifests-1; pushed++ {
		name := fmt.Sprintf("%s %d", repository, pushed)
		switch pushed % 5 {
		case 0:
			m := rig.Image(name)
			rig.Push(t, b.URL, repository, fmt.Sprintf("v%d", pushed), m).Want(t, http.StatusCreated)
		case 1:
			// A child of the index: it has no tag.
			m := rig.Image(name)
			rig.Push(t, b.URL, repository, "", m).Want(t, http.StatusCreated)
			entries = append(entries, m.Descriptor())
		case 2:
			m := rig.Artifact("application/vnd.example.signature", name, last.Descriptor())
			rig.Push(t, b.URL, repository, "", m).Want(t, http.StatusCreated)
		default:
			m := rig.Artifact("application/spdx+json", name, image.Descriptor())
			rig.Push(t, b.URL, repository, "", m).Want(t, http.StatusCreated)
			last = m
		}
	}
	rig.Push(t, b.URL, repository, "all", rig.Index(entries...)).Want(t, http.StatusCreated)
	return pushed + 1
}

// An index that is lost comes back from the registry and its storage, under
// load, killed and resumed on the way, equal to the one that was lost.
func TestRebuildEqualsTheLiveIndex(t *testing.T) {
	repositories, manifests := size(t, "RIG_REBUILD_REPOSITORIES", 40), size(t, "RIG_REBUILD_MANIFESTS", 2000)
	registry := rig.NewRegistry(t, rig.Distribution2)
	live := rig.NewBackref(t, registry.URL, quick...)
	total := populate(t, live, repositories, manifests)
	load := prepare(t, live.URL, "load/app")

	// The new one begins with nothing, and is slow enough to be killed.
	fresh := rig.NewBackref(t, registry.URL, append([]string{"--set", fmt.Sprintf("reconcile.rate=%d", max(200, manifests/10))}, quick...)...)
	loading := startLoad(t, fresh.URL, load)
	broken := make(chan rig.Command, 1)
	go func() { broken <- fresh.Try(t, "index", "rebuild", "--storage", registry.Storage) }()
	rig.Eventually(t, "the rebuild is on its way", func() bool {
		return rebuilding(t, fresh) > int64(manifests/4)
	})
	if n := len(rig.Listing(t, fresh.URL, "team0/app0", rig.Image("team0/app0").Digest())); n != 0 {
		t.Errorf("a query saw %d entries of an index that is half built", n)
	}
	fresh.Kill()
	if c := <-broken; c.Err == nil {
		t.Error("the rebuild succeeded although its server was killed")
	}
	fresh.Restart()
	rebuilt := report[result](t, fresh.Run(t, "index", "rebuild", "--storage", registry.Storage), "report")
	loading.end()
	if !rebuilt.Resumed || !rebuilt.Swapped || rebuilt.Failed != 0 || rebuilt.Dropped != 0 {
		t.Errorf("report %+v", rebuilt)
	}

	// The live one does not know of the load's last pushes.
	live.Run(t, "index", "verify", "--fix", "--storage", registry.Storage)
	got, want := export(t, fresh), export(t, live)
	if diff := differences(got, want); diff != "" {
		t.Errorf("rebuilt has %d records, live %d:\n%s", len(got), len(want), diff)
	}
	loading.wantListed(fresh)
	rig.Report(t, fmt.Sprintf("rebuild of %d repositories and %d manifests under load (%d pushes), killed and resumed: %d records, %d in the live index, %d differ; second part took %.1f s",
		repositories, total, len(loading.pushed), len(got), len(want), strings.Count(differences(got, want), "\n"), rebuilt.Seconds))
}

// load pushes referrers of one subject until it is told to end.
type load struct {
	t       *testing.T
	subject rig.Manifest
	stop    chan struct{}
	running sync.WaitGroup
	// pushed were acknowledged; of unclear nobody was told.
	pushed, unclear map[digest.Digest]bool
}

func startLoad(t *testing.T, base string, subject rig.Manifest) *load {
	l := &load{t: t, subject: subject, stop: make(chan struct{}), pushed: map[digest.Digest]bool{}, unclear: map[digest.Digest]bool{}}
	l.running.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-l.stop:
				return
			case <-time.After(loadPause):
			}
			m := rig.Artifact("application/vnd.example.load", fmt.Sprint(i), subject.Descriptor())
			got, err := rig.Send(t, http.MethodPut, base+"/v2/load/app/manifests/"+m.Digest().String(), m.Bytes(), "Content-Type", m.MediaType)
			if err == nil && got.Status == http.StatusCreated {
				l.pushed[m.Digest()] = true
			} else {
				l.unclear[m.Digest()] = true
			}
		}
	})
	return l
}

// loadPause keeps the load from taking the machine for itself.
const loadPause = 5 * time.Millisecond

func (l *load) end() {
	close(l.stop)
	l.running.Wait()
}

// wantListed fails the test where an acknowledged push is not listed, or
// something that was never pushed is.
func (l *load) wantListed(b *rig.Backref) {
	l.t.Helper()
	missing := maps.Clone(l.pushed)
	for _, entry := range rig.Listing(l.t, b.URL, "load/app", l.subject.Digest()) {
		delete(missing, entry.Digest)
		if !l.pushed[entry.Digest] && !l.unclear[entry.Digest] {
			l.t.Errorf("%s is listed, which was never pushed", entry.Digest)
		}
	}
	if len(missing) > 0 || len(l.pushed) == 0 {
		l.t.Errorf("%d of %d acknowledged pushes are not listed", len(missing), len(l.pushed))
	}
}

// rebuilding returns how many records the new generation has.
func rebuilding(t *testing.T, b *rig.Backref) int64 {
	t.Helper()
	stats := b.Run(t, "index", "stats")
	_, after, _ := strings.Cut(stats, `"rebuilding": `)
	n, err := strconv.ParseInt(strings.TrimRight(strings.SplitN(after, "\n", 2)[0], ","), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What no list names is found through what is there: indexes, referrers tags,
// and the index in use.
func TestRebuildWithoutStorage(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		backref := rig.NewBackref(t, registry.URL, append([]string{"--set", "referrers.hiddenTags=false"}, quick...)...)
		image := prepare(t, backref.URL, "app")
		untagged := attached(t, backref.URL, "app", image, 3)
		// A client without the API left a referrers tag.
		old := rig.Artifact("application/vnd.example.old", "old", image.Descriptor())
		rig.Push(t, registry.URL, "app", "", old).Want(t, http.StatusCreated)
		rig.Push(t, registry.URL, "app", "sha256-"+image.Digest().Encoded(), rig.Index(old.Descriptor())).Want(t, http.StatusCreated)
		// One was deleted past the proxy.
		rig.Do(t, http.MethodDelete, registry.URL+"/v2/app/manifests/"+untagged[0].Digest().String(), nil).Want(t, http.StatusAccepted)

		rebuilt := report[result](t, backref.Run(t, "index", "rebuild"), "report")
		if rebuilt.Kept != 2 || rebuilt.Dropped != 1 || rebuilt.Added != 2 || !rebuilt.Swapped {
			t.Errorf("report %+v", rebuilt)
		}
		wantListed(t, backref, "app", image.Digest(), 3)
	})
}

// A rebuild that can't read everything changes nothing, unless it may.
func TestIncompleteRebuild(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	relay := rig.NewRelay(t, registry.URL)
	backref := rig.NewBackref(t, relay.URL, quick...)
	image := prepare(t, backref.URL, "app")
	referrers := attached(t, backref.URL, "app", image, 3)
	unreadable := rig.Image("unreadable")
	rig.Push(t, registry.URL, "app", "v2", unreadable).Want(t, http.StatusCreated)
	relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/manifests/v2") {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	before := export(t, backref)
	failed := backref.Try(t, "index", "rebuild")
	if failed.Err == nil || !strings.Contains(failed.Stderr, "the index in use is as it was") {
		t.Errorf("%v: %s", failed.Err, failed.Stderr)
	}
	if got := report[result](t, failed.Stdout, "report"); got.Failed != 1 || got.Swapped {
		t.Errorf("report %+v", got)
	}
	if diff := differences(export(t, backref), before); diff != "" {
		t.Errorf("the index has changed:\n%s", diff)
	}
	partial := report[result](t, backref.Run(t, "index", "rebuild", "--allow-partial"), "report")
	if partial.Failed != 1 || !partial.Swapped {
		t.Errorf("report %+v", partial)
	}
	wantListed(t, backref, "app", image.Digest(), len(referrers))
}

// A registry without a catalog is rebuilt from a list of names; one that says
// that it is busy is waited for.
func TestRebuildOfABusyRegistryWithoutCatalog(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	relay := rig.NewRelay(t, registry.URL)
	image := prepare(t, registry.URL, "team/app")
	for i := range 5 {
		rig.Push(t, registry.URL, "team/app", fmt.Sprintf("sbom%d", i), rig.Artifact("application/spdx+json", fmt.Sprint(i), image.Descriptor())).Want(t, http.StatusCreated)
	}
	var busy atomic.Int64
	relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/_catalog"):
			w.WriteHeader(http.StatusNotFound)
		case busy.Add(1)%4 == 0:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			return false
		}
		return true
	})
	backref := rig.NewBackref(t, relay.URL, quick...)
	if c := backref.Try(t, "index", "rebuild"); c.Err == nil || !strings.Contains(c.Stdout+c.Stderr, "catalog") {
		t.Errorf("without a list: %v: %s%s", c.Err, c.Stdout, c.Stderr)
	}
	names := t.TempDir() + "/names"
	if err := os.WriteFile(names, []byte("# ours\nteam/app\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rebuilt := report[result](t, backref.Run(t, "index", "rebuild", "--repositories-from", names), "report")
	if rebuilt.Found != 6 || rebuilt.Failed != 0 || !rebuilt.Swapped {
		t.Errorf("report %+v", rebuilt)
	}
	relay.Before(nil)
	wantListed(t, backref, "team/app", image.Digest(), 5)
}

// The file itself is worked on when no server holds it.
func TestRebuildWithoutAServer(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution3)
	backref := rig.NewBackref(t, registry.URL, quick...)
	image := prepare(t, backref.URL, "app")
	attached(t, backref.URL, "app", image, 2)
	backref.Stop()
	if err := os.Remove(backref.Index); err != nil {
		t.Fatal(err)
	}
	if c := backref.Try(t, "index", "stats"); c.Err == nil || !strings.Contains(c.Stderr, "there is no index at") {
		t.Errorf("stats of nothing: %v: %s", c.Err, c.Stderr)
	}
	if c := backref.Try(t, "index", "rebuild"); c.Err == nil || !strings.Contains(c.Stderr, "--create") {
		t.Errorf("a new index that nobody asked for: %v: %s", c.Err, c.Stderr)
	}
	rebuilt := report[result](t, backref.Run(t, "index", "rebuild", "--create", "--storage", registry.Storage), "report")
	if rebuilt.Found != 3 || !rebuilt.Swapped {
		t.Errorf("report %+v", rebuilt)
	}
	if stats := backref.Run(t, "index", "stats"); !strings.Contains(stats, `"referrers": 2`) {
		t.Errorf("stats %s", stats)
	}
	backref.Restart()
	wantListed(t, backref, "app", image.Digest(), 2)
}
