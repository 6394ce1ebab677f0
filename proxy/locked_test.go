package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
)

// newLockedFixture returns a proxy whose releases are locked, before a registry
// that lists tags, and deletes those of a manifest with it.
func newLockedFixture(t *testing.T, configure ...func(*config.Config)) *fixture {
	t.Helper()
	f := newFixture(t, append([]func(*config.Config){lockReleases}, configure...)...)
	f.registry.answer(f.registry.shelve)
	return f
}

func lockReleases(c *config.Config) {
	c.Tags.Locks = []config.TagLock{
		{Name: "releases", Repositories: []string{"app"}, Versions: "releases"},
		{Name: "frozen", Repositories: []string{"app"}, Tags: []string{"frozen"}, Until: time.Now().Add(time.Hour).Format(time.RFC3339)},
		{Name: "past", Repositories: []string{"app"}, Tags: []string{"past"}, Until: "2020-01-01T00:00:00Z"},
	}
}

// shelve lists tags, and deletes the tags of a manifest with it.
func (o *oddRegistry) shelve(w http.ResponseWriter, r *http.Request) bool {
	repository, listed := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v2/"), "/tags/list")
	manifests, reference, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests/")
	o.mutex.Lock()
	defer o.mutex.Unlock()
	switch {
	case listed:
		tags := []string{}
		for _, key := range slices.Sorted(maps.Keys(o.manifests)) {
			if tag, of := strings.CutPrefix(key, repository+"@"); of && !strings.Contains(tag, ":") {
				tags = append(tags, tag)
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"name": repository, "tags": tags})
	case r.Method == http.MethodDelete && strings.Contains(reference, ":"):
		for key, body := range o.manifests {
			if strings.HasPrefix(key, manifests+"@") && digest.FromBytes(body).String() == reference {
				delete(o.manifests, key)
			}
		}
		w.WriteHeader(http.StatusAccepted)
	default:
		return false
	}
	return true
}

// wantDenied fails the test unless a request was denied by a rule, and the
// registry was sent nothing that changes it.
func (f *fixture) wantDenied(got reply, rule, says string) {
	f.t.Helper()
	body := string(got.body)
	if got.status != http.StatusForbidden || !strings.Contains(body, `"code":"DENIED"`) || !strings.Contains(body, "rule "+rule) || !strings.Contains(body, says) {
		f.t.Errorf("status %d: %s; want rule %s to say %q", got.status, body, rule, says)
	}
	f.wantUnchanged()
}

func (f *fixture) wantUnchanged() {
	f.t.Helper()
	for _, request := range f.registry.seen() {
		if !strings.HasPrefix(request, "HEAD ") && !strings.HasPrefix(request, "GET ") {
			f.t.Errorf("the registry got %s", request)
		}
	}
}

// setPolicies has the proxy run by other rules from now on.
func (f *fixture) setPolicies(configure func(*config.Config)) {
	f.t.Helper()
	cfg := config.Default()
	configure(&cfg)
	settings, err := options.Settings(cfg, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	f.proxy.Set(settings)
}

func (f *fixture) put(reference string, manifest []byte, headers ...string) reply {
	f.t.Helper()
	mediaType := imageManifest
	if strings.Contains(string(manifest), imageIndex) {
		mediaType = imageIndex
	}
	return f.do(http.MethodPut, "/v2/app/manifests/"+reference, manifest, append(headers, "Content-Type", mediaType)...)
}

func (f *fixture) remove(reference string, headers ...string) reply {
	f.t.Helper()
	return f.do(http.MethodDelete, "/v2/app/manifests/"+reference, nil, headers...)
}

func (f *fixture) want(got reply, status int) {
	f.t.Helper()
	if got.status != status {
		f.t.Errorf("status %d, want %d: %s", got.status, status, got.body)
	}
}

func sumOf(manifest []byte) string { return digest.FromBytes(manifest).String() }

func TestALockedTagStaysWhatItIs(t *testing.T) {
	f := newLockedFixture(t)
	first, second := image("first"), image("second")
	f.want(f.put("v1.0.0", first), 201)
	f.want(f.put("v1.0.0", first), 201)
	f.registry.seen()
	f.wantDenied(f.put("v1.0.0", second), "releases", "tag v1.0.0 can't be moved")
	f.wantDenied(f.put("v1.0.0", second, "If-Match", quoted(first)), "releases", "can't be moved")
	f.want(f.put("v1.0.0", second, "If-Match", quoted(second)), 412)
	f.want(f.put("v1.0.0", first, "If-None-Match", "*"), 412)
	f.wantDenied(f.remove("v1.0.0"), "releases", "tag v1.0.0 can't be deleted")
	f.wantDenied(f.remove(sumOf(first)), "releases", "manifest "+sumOf(first)+" can't be deleted: rule releases, because tag v1.0.0 stands for it, and locked tags stay")
	// One that is not there is no secret, and nobody pushes it meanwhile.
	f.want(f.remove("v9.0.0"), 404)
	f.wantUnchanged()

	// All else goes on.
	signature := referrer("signature", digest.FromBytes(first))
	hex := digest.FromBytes(first).Encoded()
	for _, pushed := range []reply{
		f.put(sumOf(second), second), f.put("latest", first), f.put("latest", second), f.put("past", first), f.put("past", second),
		f.put(sumOf(signature), signature), f.put("sha256-"+hex+".sig", first), f.put("sha256-"+hex+".sig", second),
		f.do(http.MethodPut, "/v2/other/manifests/v1.0.0", first, "Content-Type", imageManifest),
		f.do(http.MethodPut, "/v2/other/manifests/v1.0.0", second, "Content-Type", imageManifest),
	} {
		f.want(pushed, 201)
	}
	f.want(f.remove("latest"), 202)
	f.want(f.remove(sumOf(signature)), 202)
	f.want(f.remove(sumOf(second)), 202)

	// What was deleted past backref is free.
	f.registry.drop("app", digest.FromBytes(first))
	f.registry.mutex.Lock()
	delete(f.registry.manifests, "app@v1.0.0")
	f.registry.mutex.Unlock()
	f.want(f.put("v1.0.0", second), 201)
	f.registry.seen()
	f.wantDenied(f.remove(sumOf(second)), "releases", "v1.0.0")
}

// What a locked tag holds by an index, at any depth, pushed through backref or
// past it, is not deleted.
func TestWhatALockedIndexListsStays(t *testing.T) {
	for _, past := range []bool{false, true} {
		f := newLockedFixture(t)
		platform, nested, other := image("platform"), image("nested"), image("other")
		inner := indexOf(nested)
		outer := indexOf(platform, inner)
		for reference, manifest := range map[string][]byte{"": platform, " ": nested, "inner": inner, "frozen": outer, "x": other} {
			switch {
			case past:
				f.registry.put("app", manifest, strings.TrimSpace(reference))
			case strings.TrimSpace(reference) == "":
				f.want(f.put(sumOf(manifest), manifest), 201)
			default:
				f.want(f.put(reference, manifest), 201)
			}
		}
		f.registry.seen()
		for _, held := range [][]byte{platform, nested, inner} {
			f.wantDenied(f.remove(sumOf(held)), "frozen", "an index behind tag frozen lists it")
		}
		f.wantDenied(f.remove(sumOf(outer)), "frozen", "tag frozen stands for it, and locked tags stay what they are until")
		// The registry might delete the manifest with the tag.
		f.wantDenied(f.remove("inner"), "frozen", "tags.deletion")
		f.want(f.remove("x"), 202)
		f.want(f.remove(sumOf(other)), 202)
	}
}

// Where the registry is known to delete a tag alone, an unlocked one goes whatever
// it stands for.
func TestUntaggingWhatALockedTagHolds(t *testing.T) {
	f := newLockedFixture(t, func(c *config.Config) { c.Tags.Deletion = config.DeletionTag })
	f.want(f.put("v1.0.0", image("x")), 201)
	f.want(f.put("latest", image("x")), 201)
	f.want(f.remove("latest"), 202)
	f.registry.seen()
	f.wantDenied(f.remove("v1.0.0"), "releases", "can't be deleted")
}

// The tags that a push by digest names in its query are written as well.
func TestLockedTagsInTheQuery(t *testing.T) {
	f := newLockedFixture(t)
	first, second := image("first"), image("second")
	f.want(f.put("v1.0.0", first), 201)
	f.registry.seen()
	f.wantDenied(f.put(sumOf(second)+"?tag=latest&tag=v1.0.0", second), "releases", "tag v1.0.0 can't be moved")
	f.wantDenied(f.put("latest?tag=v2.0.0", second), "releases", "v2.0.0 can't be written by a push to another tag")
	f.want(f.put(sumOf(second)+"?tag=%zz", second), 400)
	f.wantUnchanged()
	f.want(f.put(sumOf(first)+"?tag=v1.0.0&tag=v1.0.0", first), 201)
	f.want(f.put(sumOf(second)+"?tag=v2.0.0&tag=v1.5.0&tag=latest", second), 201)
}

// To whom the registry does not tell what is there, nothing locked is moved, and
// nothing deleted; who has to sign in is asked to, for what it wants to do.
func TestLocksThatCannotBeChecked(t *testing.T) {
	for _, c := range []struct {
		status int
		want   int
		says   string
	}{
		{401, 401, "sign in with the right to pull too"},
		{403, 403, "the registry does not "},
		{405, 403, "the registry does not "},
		{429, 429, ""},
		{500, 502, ""},
		{503, 502, ""},
	} {
		for _, action := range []string{"push", "delete", "untag", "delete locked"} {
			f := newLockedFixture(t)
			f.registry.put("app", image("old"), "v1.0.0", "latest")
			f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodHead && r.Method != http.MethodGet {
					return f.registry.shelve(w, r)
				}
				w.Header().Set("WWW-Authenticate", `Bearer realm="https://tokens.example.com",service="x",scope="repository:app:pull"`)
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(c.status)
				return true
			})
			var got reply
			wants := "delete"
			switch action {
			case "push":
				got, wants = f.put("v1.0.0", image("new")), "push"
			case "delete":
				got = f.remove(sumOf(image("other")))
			case "untag":
				got = f.remove("latest")
			default:
				got = f.remove("v1.0.0")
			}
			if got.status != c.want || !strings.Contains(string(got.body), c.says) {
				t.Errorf("%s, %d: status %d: %s", action, c.status, got.status, got.body)
			}
			if challenge := got.header.Get("WWW-Authenticate"); c.want == 401 && !strings.HasSuffix(challenge, `scope="repository:app:pull,`+wants+`"`) {
				t.Errorf("%s: challenge %s", action, challenge)
			}
			if retry := got.header.Get("Retry-After"); c.want > 403 && retry == "" {
				t.Errorf("%s, %d: no Retry-After", action, c.status)
			}
			f.wantUnchanged()
			// What is no matter of locked tags is the registry's.
			f.want(f.put("latest", image("new")), 201)
		}
	}
}

// A "not found" of what stands in the registry's place frees no tag.
func TestAServerThatIsNoRegistryFreesNoTag(t *testing.T) {
	f := newLockedFixture(t)
	f.registry.put("app", image("old"), "v1.0.0")
	f.registry.mutex.Lock()
	f.registry.noRegistry = true
	f.registry.mutex.Unlock()
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut || r.Method == http.MethodDelete {
			return false
		}
		http.NotFound(w, r)
		return true
	})
	for _, got := range []reply{f.put("v1.0.0", image("new")), f.remove(sumOf(image("old")))} {
		if got.status != http.StatusBadGateway || got.header.Get("Retry-After") == "" {
			t.Errorf("status %d, header %v: %s", got.status, got.header, got.body)
		}
	}
	f.wantUnchanged()
}

// Of many first pushes of one locked tag one wins, and the others are told by
// which rule they lost; the same manifest is taken from all.
func TestOneFirstPushWins(t *testing.T) {
	const clients = 12
	f := newLockedFixture(t)
	var mutex sync.Mutex
	for round, same := range []bool{false, true} {
		counts := map[int]int{}
		var group sync.WaitGroup
		for client := range clients {
			group.Go(func() {
				manifest := image("same")
				if !same {
					manifest = image(fmt.Sprint(client))
				}
				got := f.put(fmt.Sprintf("v%d.0.0", round), manifest)
				mutex.Lock()
				defer mutex.Unlock()
				counts[got.status]++
			})
		}
		group.Wait()
		if want := map[int]int{201: 1, 403: clients - 1}; !same && !maps.Equal(counts, want) {
			t.Errorf("statuses %v, want %v", counts, want)
		}
		if same && counts[201] != clients {
			t.Errorf("the same manifest: statuses %v", counts)
		}
	}
}

// A delete waits for the first push of a locked tag by which its manifest, or an
// index that lists it, comes to be held, and such a push for the delete.
func TestDeletesAndFirstPushesTakeTurns(t *testing.T) {
	platform := image("platform")
	list := indexOf(platform)
	f := newLockedFixture(t)
	f.want(f.put(sumOf(platform), platform), 201)
	reached, release := make(chan string), make(chan struct{})
	hold := func(method string) {
		var once sync.Once
		f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == method {
				once.Do(func() {
					reached <- r.URL.Path
					<-release
				})
			}
			return f.registry.shelve(w, r)
		})
	}
	answered := func(do func() reply) <-chan reply {
		done := make(chan reply, 1)
		go func() { done <- do() }()
		return done
	}
	stillWaits := func(what string, done <-chan reply) {
		t.Helper()
		select {
		case got := <-done:
			t.Errorf("%s did not wait: %d: %s", what, got.status, got.body)
		case <-time.After(50 * time.Millisecond):
		}
	}

	hold(http.MethodPut)
	pushed := answered(func() reply { return f.put("v1.0.0", list) })
	<-reached
	deleted := answered(func() reply { return f.remove(sumOf(platform)) })
	stillWaits("a delete", deleted)
	release <- struct{}{}
	f.want(<-pushed, 201)
	if got := <-deleted; got.status != http.StatusForbidden || !strings.Contains(string(got.body), "an index behind tag v1.0.0 lists it") {
		t.Errorf("deleted under a push: %d: %s", got.status, got.body)
	}

	// The client of a delete may leave: what it began is waited for all the same.
	other := image("other")
	f.want(f.put(sumOf(other), other), 201)
	hold(http.MethodDelete)
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodDelete, f.url+"/v2/app/manifests/"+sumOf(other), nil)
		if err != nil {
			t.Error(err)
			return
		}
		if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-reached
	leave()
	pushed = answered(func() reply { return f.put("v2.0.0", other) })
	stillWaits("a push", pushed)
	release <- struct{}{}
	f.want(<-pushed, 201)
	if got := f.do(http.MethodGet, "/v2/app/manifests/v2.0.0", nil); got.status != http.StatusOK {
		t.Errorf("what was pushed and locked is gone: %d", got.status)
	}
}

// Where what keeps deletes and first pushes apart is lost, nothing is sent.
func TestALockThatIsLostSendsNothing(t *testing.T) {
	var lose bool
	f := newSharedFixture(t, func(ctx context.Context, tag string) (context.Context, context.CancelFunc, error) {
		held, end := context.WithCancel(ctx)
		if lose && strings.HasPrefix(tag, "manifests:") {
			end()
		}
		return held, end, nil
	}, lockReleases)
	f.registry.answer(f.registry.shelve)
	f.want(f.put("v1.0.0", image("first")), 201)
	f.want(f.put(sumOf(image("x")), image("x")), 201)
	f.registry.seen()
	lose = true
	for _, got := range []reply{f.put("v2.0.0", image("second")), f.remove(sumOf(image("x")))} {
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("status %d: %s", got.status, got.body)
		}
	}
	f.wantUnchanged()
	// Nothing new is held by the same again.
	f.want(f.put("v1.0.0", image("first")), 201)
}

// Other rules count at once, also for what was asked a moment ago.
func TestOtherLocksCountAtOnce(t *testing.T) {
	f := newLockedFixture(t)
	first, second := image("first"), image("second")
	f.want(f.put("v1.0.0", first), 201)
	f.want(f.remove(sumOf(second)), 202)
	f.setPolicies(func(*config.Config) {})
	f.want(f.put("v1.0.0", second), 201)
	f.setPolicies(lockReleases)
	f.registry.seen()
	f.wantDenied(f.remove(sumOf(second)), "releases", "stands for it")
	f.want(f.remove(sumOf(first)), 202)
}
