package clients

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// twoRegistries are a registry at upstream.url, and one with the repositories below
// hub: at localhost those have no prefix.
type twoRegistries struct {
	first, hub *rig.Registry
	backref    *rig.Backref
	// atHub is the host of the route.
	atHub string
	dir   string
}

// routeTo is the setting of a route.
func routeTo(at, more string) []string {
	return []string{"--set", fmt.Sprintf("upstream.routes=[{prefix: hub, hosts: [localhost], namespaces: [docker.io], url: %q%s}]", at, more)}
}

func newTwo(t *testing.T, first, hub rig.Distribution) twoRegistries {
	t.Helper()
	w := twoRegistries{first: rig.NewRegistry(t, first), hub: rig.NewRegistry(t, hub), dir: t.TempDir()}
	w.backref = rig.NewBackref(t, w.first.URL, append(routeTo(w.hub.URL, ", service: {anonymous: true}"), "--set", "upstream.service.anonymous=true")...)
	_, port, _ := strings.Cut(w.backref.Host, ":")
	w.atHub = "localhost:" + port
	if err := os.WriteFile(filepath.Join(w.dir, "layer.txt"), []byte("layer"), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w twoRegistries) run(t *testing.T, args ...string) string {
	t.Helper()
	return rig.Run(t, w.dir, "oras", args...)
}

// discovered returns how many referrers oras finds.
func (w twoRegistries) discovered(t *testing.T, ref string) int {
	t.Helper()
	var found struct{ Referrers []json.RawMessage }
	output := w.run(t, "discover", "--plain-http", "--format", "json", ref)
	if err := json.Unmarshal([]byte(output), &found); err != nil {
		t.Fatalf("oras discover: %v: %s", err, output)
	}
	return len(found.Referrers)
}

// Clients push to two registries behind one address, and find there what they pushed.
func TestTwoRegistries(t *testing.T) {
	for _, versions := range [][2]rig.Distribution{{rig.Distribution2, rig.Distribution3}, {rig.Distribution3, rig.Distribution2}} {
		t.Run(string(versions[1])+" below a prefix", func(t *testing.T) {
			w := newTwo(t, versions[0], versions[1])
			for _, c := range []struct {
				ref, repository string
				in              *rig.Registry
			}{
				{w.backref.Host + "/app:v1", "app", w.first},
				{w.backref.Host + "/hub/team/app:v1", "team/app", w.hub},
				{w.atHub + "/other:v1", "other", w.hub},
			} {
				w.run(t, "push", "--plain-http", c.ref, "--artifact-type", "application/vnd.example.app", "layer.txt")
				w.run(t, "attach", "--plain-http", c.ref, "--artifact-type", "application/vnd.example.signature", "layer.txt")
				if found := w.discovered(t, c.ref); found != 1 {
					t.Errorf("%s: %d referrers", c.ref, found)
				}
				w.run(t, "pull", "--plain-http", c.ref, "--output", t.TempDir())
				for _, tag := range rig.Tags(t, c.in.URL, c.repository) {
					if _, hidden, _ := strings.Cut(tag, "."); tag != "v1" && hidden == "" {
						t.Errorf("%s: tag %s in its registry", c.ref, tag)
					}
				}
			}
			w.byNamespace(t)
			w.listsTags(t)
			w.deletes(t)
			w.rebuilds(t)
			w.oneIsDown(t)
		})
	}
}

// byNamespace reads as containerd does that takes backref for a mirror.
func (w twoRegistries) byNamespace(t *testing.T) {
	t.Helper()
	path := w.backref.URL + "/v2/other/manifests/v1?ns=docker.io"
	got := rig.Do(t, http.MethodGet, path, nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
	listed := rig.Listing(t, w.backref.URL, "other", digest.FromBytes(got.Body), "ns=docker.io")
	if len(listed) != 1 {
		t.Errorf("by the name of its registry: %d referrers", len(listed))
	}
	subject := rig.BlobDescriptor(rig.ImageManifest)
	subject.Digest, subject.Size = digest.FromBytes(got.Body), int64(len(got.Body))
	rig.PushBlob(t, w.hub.URL, "other", rig.Empty)
	more := rig.Artifact("application/vnd.example.more", "by name", subject)
	rig.Do(t, http.MethodPut, w.backref.URL+"/v2/other/manifests/"+more.Digest().String()+"?ns=docker.io", more.Bytes(), "Content-Type", more.MediaType).Want(t, http.StatusCreated)
	if found := w.discovered(t, w.atHub+"/other:v1"); found != 2 {
		t.Errorf("pushed by name, found by host: %d referrers", found)
	}
}

// listsTags reads a list to its end, page by page.
func (w twoRegistries) listsTags(t *testing.T) {
	t.Helper()
	for _, tag := range []string{"v2", "v3"} {
		w.run(t, "tag", "--plain-http", w.atHub+"/other:v1", tag)
	}
	for base, name := range map[string]string{"http://" + w.atHub: "other", w.backref.URL: "hub/other"} {
		var tags []string
		for next := "/v2/" + name + "/tags/list?n=1"; next != ""; {
			got := rig.Do(t, http.MethodGet, base+next, nil).Want(t, http.StatusOK)
			var list struct {
				Name string
				Tags []string
			}
			if err := json.Unmarshal(got.Body, &list); err != nil || list.Name != name {
				t.Fatalf("%s: %v, %s", next, err, got.Body)
			}
			tags = append(tags, list.Tags...)
			link, _, _ := strings.Cut(strings.TrimPrefix(got.Header.Get("Link"), "<"), ">")
			if next = link; next != "" && !strings.HasPrefix(next, "/v2/"+name+"/tags/list?") {
				t.Fatalf("Link %s", next)
			}
		}
		if !slices.Equal(tags, []string{"v1", "v2", "v3"}) {
			t.Errorf("%s: tags %v", name, tags)
		}
	}
}

// deletes deletes a referrer by one name, after which no name lists it.
func (w twoRegistries) deletes(t *testing.T) {
	t.Helper()
	subject := digest.Digest(strings.TrimSpace(w.run(t, "resolve", "--plain-http", w.atHub+"/other:v1")))
	before := rig.Listing(t, w.backref.URL, "hub/other", subject)
	w.run(t, "manifest", "delete", "--plain-http", "--force", w.atHub+"/other@"+before[0].Digest.String())
	if left := rig.Listing(t, w.backref.URL, "hub/other", subject); len(left) != len(before)-1 {
		t.Errorf("%d referrers, %d after a delete", len(before), len(left))
	}
	rig.Do(t, http.MethodGet, w.hub.URL+"/v2/other/manifests/"+before[0].Digest.String(), nil).Want(t, http.StatusNotFound)
}

// rebuilds finds what both registries have, by their API alone.
func (w twoRegistries) rebuilds(t *testing.T) {
	t.Helper()
	known := func() []string {
		var all []string
		for line := range strings.Lines(w.backref.Run(t, "index", "export")) {
			var record struct{ Repository, Digest string }
			if err := json.Unmarshal([]byte(line), &record); err != nil {
				t.Fatal(err)
			}
			all = append(all, record.Repository+"@"+record.Digest)
		}
		slices.Sort(all)
		return all
	}
	before := known()
	w.backref.Run(t, "index", "rebuild")
	after := known()
	if !slices.Equal(before, after) {
		t.Errorf("before a rebuild\n%s\nafter it\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	for _, repository := range []string{"app@", "hub/team/app@", "hub/other@"} {
		if !slices.ContainsFunc(after, func(record string) bool { return strings.HasPrefix(record, repository) }) {
			t.Errorf("a rebuild does not find %s", repository)
		}
	}
}

// oneIsDown leaves alone what the other has.
func (w twoRegistries) oneIsDown(t *testing.T) {
	t.Helper()
	w.first.Kill()
	if found := w.discovered(t, w.backref.Host+"/hub/team/app:v1"); found != 1 {
		t.Errorf("%d referrers while the other registry is down", found)
	}
	got := rig.Do(t, http.MethodGet, w.backref.URL+"/v2/app/referrers/"+digest.FromString("x").String(), nil)
	if got.Status != http.StatusBadGateway && got.Status != http.StatusServiceUnavailable {
		t.Errorf("a listing of the registry that is down: %d %s", got.Status, got.Body)
	}
	w.first.Restart()
	w.hub.Kill()
	if found := w.discovered(t, w.backref.Host+"/app:v1"); found != 1 {
		t.Errorf("%d referrers while the registry of the route is down", found)
	}
	got = rig.Do(t, http.MethodGet, w.backref.URL+"/v2/hub/team/app/referrers/"+digest.FromString("x").String(), nil)
	if got.Status != http.StatusBadGateway && got.Status != http.StatusServiceUnavailable {
		t.Errorf("a listing of the route that is down: %d %s", got.Status, got.Body)
	}
}

// guarded is a registry with a token server of its own, and what it was sent.
type guarded struct {
	tokens *rig.TokenServer
	relay  *rig.Relay

	mutex sync.Mutex
	given map[string]bool
}

func newGuarded(t *testing.T, version rig.Distribution, users ...string) *guarded {
	t.Helper()
	g := &guarded{tokens: rig.NewTokenServer(t), given: map[string]bool{}}
	for _, user := range users {
		g.tokens.SetUser(user, rig.User{Password: user + "-secret", Grants: map[string][]string{"*": {"pull", "push", "delete"}, "registry:catalog": {"*"}}})
	}
	g.relay = rig.NewRelay(t, rig.NewRegistry(t, version, g.tokens.RegistryConfig("")).URL)
	g.relay.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		g.mutex.Lock()
		defer g.mutex.Unlock()
		if given := r.Header.Get("Authorization"); given != "" {
			g.given[given] = true
		}
		return false
	})
	return g
}

// wantOwn makes sure that nobody but its own users signed in, and that none of what it
// was given was given to another.
func (g *guarded) wantOwn(t *testing.T, other *guarded, users ...string) {
	t.Helper()
	for _, request := range g.tokens.Seen() {
		if request.User != "" && !slices.Contains(users, request.User) || request.Status == http.StatusUnauthorized {
			t.Errorf("the token server of %v had %q, and said %d", users, request.User, request.Status)
		}
	}
	if len(g.given) == 0 {
		t.Errorf("the registry of %v was given nothing", users)
	}
	for given := range maps.Keys(g.given) {
		if other.given[given] {
			t.Errorf("what was given to the registry of %v was given to the other too", users)
		}
	}
}

// Each registry has token servers and users of its own: no client's credentials for
// one reach the other.
func TestCredentialsOfTwoRegistries(t *testing.T) {
	first, hub := newGuarded(t, rig.Distribution2, "alice"), newGuarded(t, rig.Distribution3, "bob")
	backref := rig.NewBackref(t, first.relay.URL, routeTo(hub.relay.URL, "")...)
	_, port, _ := strings.Cut(backref.Host, ":")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "layer.txt"), []byte("layer"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"alice", backref.Host + "/app:v1"}, {"bob", backref.Host + "/hub/app:v1"}} {
		access := []string{"--plain-http", "-u", c[0], "-p", c[0] + "-secret"}
		rig.Run(t, dir, "oras", append([]string{"push", c[1], "--artifact-type", "application/vnd.example.app", "layer.txt"}, access...)...)
		rig.Run(t, dir, "oras", append([]string{"attach", c[1], "--artifact-type", "application/vnd.example.signature", "layer.txt"}, access...)...)
		if output := rig.Run(t, dir, "oras", append([]string{"discover", c[1]}, access...)...); !strings.Contains(output, "application/vnd.example.signature") {
			t.Errorf("%s: %s", c[1], output)
		}
	}
	// At the host of the route its registry says how to sign in. (oras asks no token
	// service at a loopback address for a registry that has another name.)
	atHub := "http://localhost:" + port
	challenged := rig.Do(t, http.MethodGet, atHub+"/v2/", nil).Want(t, http.StatusUnauthorized)
	if challenge := challenged.Header.Get("Www-Authenticate"); !strings.Contains(challenge, hub.tokens.Realm) {
		t.Errorf("challenge at the host of the route: %s", challenge)
	}
	token := "Bearer " + hub.tokens.Token("bob", "repository:app:pull")
	got := rig.Do(t, http.MethodGet, atHub+"/v2/app/manifests/v1", nil, "Authorization", token, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
	rig.Do(t, http.MethodGet, atHub+"/v2/app/referrers/"+digest.FromBytes(got.Body).String(), nil, "Authorization", token).Want(t, http.StatusOK)
	// A token for one registry is none for the other, though the name is the same.
	rig.Do(t, http.MethodGet, backref.URL+"/v2/hub/app/referrers/"+digest.FromBytes(got.Body).String(), nil, "Authorization", "Bearer "+first.tokens.Token("alice", "repository:app:pull")).Want(t, http.StatusUnauthorized)
	first.wantOwn(t, hub, "alice")
	hub.wantOwn(t, first, "bob")
}

// In auth.mode service each registry sees the service that it is told of.
func TestServicesOfTwoRegistries(t *testing.T) {
	first, hub := newGuarded(t, rig.Distribution3, "one"), newGuarded(t, rig.Distribution2, "two")
	file := filepath.Join(t.TempDir(), "backref.yaml")
	settings := fmt.Sprintf(`
upstream:
  service: {username: one, password: one-secret}
  routes:
    - {prefix: hub, url: %q, service: {username: two, password: two-secret}}
auth:
  mode: service
  rules: [{repositories: ['**'], anonymous: true, allow: [pull, push, delete]}]
`, hub.relay.URL)
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	backref := rig.NewBackref(t, first.relay.URL, "--config", file)
	for _, repository := range []string{"app", "hub/app", "hub/team/app"} {
		image := rig.Image(repository)
		rig.PushBlob(t, backref.URL, repository, rig.Empty)
		rig.Push(t, backref.URL, repository, "v1", image).Want(t, http.StatusCreated)
		rig.Push(t, backref.URL, repository, "", rig.Artifact("application/vnd.example.a", "a", image.Descriptor())).Want(t, http.StatusCreated)
		if listed := rig.Listing(t, backref.URL, repository, image.Digest()); len(listed) != 1 {
			t.Errorf("%s: %d referrers", repository, len(listed))
		}
		// A blob of another registry is uploaded, where one could be taken over here.
		query := url.Values{"mount": {digest.FromString(rig.Empty).String()}, "from": {"app"}}
		want := http.StatusAccepted
		if repository == "app" {
			want = http.StatusCreated
		}
		rig.Do(t, http.MethodPost, backref.URL+"/v2/"+repository+"/blobs/uploads/?"+query.Encode(), nil).Want(t, want)
	}
	first.wantOwn(t, hub, "one")
	hub.wantOwn(t, first, "two")
}

// Docker Hub's rule holds for what has one part, and a rate for all of a route.
func TestLibraryAndRateOfARoute(t *testing.T) {
	first, hub := rig.NewRegistry(t, rig.Distribution3), rig.NewRegistry(t, rig.Distribution2)
	backref := rig.NewBackref(t, first.URL, routeTo(hub.URL, ", library: true, rate: 50")...)
	rig.PushBlob(t, backref.URL, "hub/alpine", rig.Empty)
	image := rig.Image("alpine")
	rig.Push(t, backref.URL, "hub/alpine", "v1", image).Want(t, http.StatusCreated)
	rig.Push(t, backref.URL, "hub/alpine", "", rig.Artifact("application/vnd.example.a", "a", image.Descriptor())).Want(t, http.StatusCreated)
	for _, name := range []string{"hub/alpine", "hub/library/alpine"} {
		if listed := rig.Listing(t, backref.URL, name, image.Digest()); len(listed) != 1 {
			t.Errorf("%s: %d referrers", name, len(listed))
		}
	}
	if tags := rig.Tags(t, hub.URL, "library/alpine"); !slices.Contains(tags, "v1") {
		t.Errorf("in the registry: %v", tags)
	}
	limited := func() bool {
		got, err := rig.Send(t, http.MethodGet, backref.URL+"/v2/hub/alpine/blobs/"+digest.FromString(rig.Empty).String(), nil)
		return err == nil && got.Status == http.StatusTooManyRequests && got.Header.Get("Retry-After") != "" && strings.Contains(string(got.Body), "TOOMANYREQUESTS")
	}
	tooMany := make(chan bool)
	for range 20 {
		go func() {
			for range 50 {
				if limited() {
					tooMany <- true
					return
				}
			}
			tooMany <- false
		}()
	}
	some := false
	for range 20 {
		some = <-tooMany || some
	}
	if !some {
		t.Error("a thousand requests at once, and none too many")
	}
}
