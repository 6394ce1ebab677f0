package access

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/backref/backref/test/rig"
)

// door is a registry that asks for credentials, behind backref, and what
// clients bring.
type door struct {
	registry *rig.Registry
	backref  *rig.Backref
	dir      string
	// private says that clients are sent to a token service on this machine
	// that is neither the registry nor backref: crane doesn't go there.
	private bool
}

// newDoor starts both.
func newDoor(t *testing.T, version rig.Distribution, registryConfig string, args ...string) door {
	t.Helper()
	registry := rig.NewRegistry(t, version, registryConfig)
	return door{registry: registry, backref: rig.NewBackref(t, registry.URL, args...), dir: t.TempDir()}
}

// newTokens starts a token server that lets ann use "app" and "copy", and bob
// sign in, no more.
func newTokens(t *testing.T) *rig.TokenServer {
	t.Helper()
	tokens := rig.NewTokenServer(t)
	all := []string{"pull", "push", "delete"}
	tokens.SetUser("ann", rig.User{Password: "secret", Grants: map[string][]string{"app": all, "copy": all}})
	tokens.SetUser("bob", rig.User{Password: "secret"})
	return tokens
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// write puts a file into the clients' folder.
func (d door) write(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d door) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	return rig.Run(t, d.dir, name, args...)
}

// signIn signs every client in as ann.
func (d door) signIn(t *testing.T) {
	t.Helper()
	d.write(t, ".regctl/config.json", `{"hosts":{"`+d.backref.Host+`":{"tls":"disabled"}}}`)
	d.write(t, "policy.json", `{"default":[{"type":"insecureAcceptAnything"}]}`)
	d.run(t, "oras", "login", "--plain-http", "-u", "ann", "-p", "secret", d.backref.Host)
	d.run(t, "crane", "auth", "login", "--insecure", "-u", "ann", "-p", "secret", d.backref.Host)
	d.run(t, "regctl", "registry", "login", "-u", "ann", "-p", "secret", d.backref.Host)
	d.run(t, "skopeo", "login", "--tls-verify=false", "--authfile", filepath.Join(d.dir, "skopeo.json"), "-u", "ann", "-p", "secret", d.backref.Host)
	for _, c := range []rig.Command{
		rig.Try(t, t.TempDir(), "oras", "login", "--plain-http", "-u", "ann", "-p", "wrong", d.backref.Host),
		rig.Try(t, t.TempDir(), "oras", "push", "--plain-http", d.backref.Host+"/app:v0"),
	} {
		if c.Err == nil {
			t.Errorf("a client without the password got in: %s%s", c.Stdout, c.Stderr)
		}
	}
}

// use has every client do what it is for.
func (d door) use(t *testing.T) {
	t.Helper()
	d.write(t, "config.json.txt", `{"architecture":"amd64","os":"linux"}`)
	d.write(t, "layer.txt", "layer")
	d.write(t, "sbom.json", `{"spdxVersion":"SPDX-2.3"}`)
	ref := d.backref.Host + "/app:v1"
	d.run(t, "oras", "push", "--plain-http", ref, "--config", "config.json.txt:"+rig.ImageConfig, "layer.txt")
	d.run(t, "oras", "attach", "--plain-http", ref, "--artifact-type", "application/vnd.example.oras", "sbom.json:application/spdx+json")
	d.run(t, "regctl", "artifact", "put", "--subject", ref, "--artifact-type", "application/vnd.example.regctl", "-f", "sbom.json", "-m", "application/spdx+json")
	for _, list := range []string{
		d.run(t, "oras", "discover", "--plain-http", ref),
		d.run(t, "regctl", "artifact", "list", ref),
	} {
		if !strings.Contains(list, "application/vnd.example.oras") || !strings.Contains(list, "application/vnd.example.regctl") {
			t.Errorf("not all referrers are shown: %s", list)
		}
	}
	d.run(t, "oras", "pull", "--plain-http", ref, "-o", "pulled")
	if !d.private {
		d.run(t, "crane", "pull", "--insecure", "--format", "oci", ref, filepath.Join(d.dir, "layout"))
	}
	d.run(t, "skopeo", "--policy", filepath.Join(d.dir, "policy.json"), "--tmpdir", d.dir, "copy", "--src-tls-verify=false",
		"--src-authfile", filepath.Join(d.dir, "skopeo.json"), "docker://"+ref, "oci:"+filepath.Join(d.dir, "layout")+":skopeo")
}

// Clients sign in to the registry through backref, by whatever it asks for.
func TestClientsSignIn(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		t.Run("htpasswd", func(t *testing.T) {
			d := newDoor(t, version, rig.NewHtpasswd(t, "ann", "secret").RegistryConfig())
			d.signIn(t)
			d.use(t)
		})
		t.Run("tokens", func(t *testing.T) {
			tokens := newTokens(t)
			d := newDoor(t, version, tokens.RegistryConfig(""))
			d.private = true
			d.signIn(t)
			d.use(t)
			for _, request := range tokens.Seen() {
				if request.Header.Get("X-Forwarded-For") != "" {
					t.Fatalf("a token request went through backref: %+v", request)
				}
			}
		})
		t.Run("tokens through backref", func(t *testing.T) {
			tokens := newTokens(t)
			d := newDoor(t, version, tokens.RegistryConfig(""), "--set", "auth.realm=rewrite")
			d.signIn(t)
			d.use(t)
			seen := tokens.Seen()
			if len(seen) == 0 {
				t.Error("nobody asked for a token")
			}
			for _, request := range seen {
				if request.Header.Get("X-Forwarded-For") == "" {
					t.Errorf("a token request went past backref: %s %s", request.Method, request.Query)
				}
			}
		})
	})
}

// B6: a mount needs the permissions of two repositories, whose scopes the
// client asks for at once.
func TestB6MountsCarryBothScopes(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		for _, realm := range []string{"keep", "rewrite"} {
			t.Run(realm, func(t *testing.T) {
				tokens := newTokens(t)
				registry := rig.NewRegistry(t, version, tokens.RegistryConfig(""))
				relay := rig.NewRelay(t, registry.URL)
				d := door{registry, rig.NewBackref(t, relay.URL, "--set", "auth.realm="+realm), t.TempDir(), realm == "keep"}
				d.signIn(t)
				d.use(t)
				ref := d.backref.Host + "/app:v1"
				for client, mount := range map[string][]string{
					"crane":  {"copy", "--insecure", ref, d.backref.Host + "/copy:crane"},
					"oras":   {"copy", "--from-plain-http", "--to-plain-http", ref, d.backref.Host + "/copy:oras"},
					"regctl": {"image", "copy", ref, d.backref.Host + "/copy:regctl"},
				} {
					if d.private && client == "crane" {
						continue
					}
					tokens.Seen()
					mounts := countMounts(relay)
					d.run(t, client, mount...)
					if mounts() == 0 {
						t.Errorf("%s mounted nothing", client)
					}
					if !askedForBoth(tokens.Seen()) {
						t.Errorf("%s never asked for both scopes at once", client)
					}
					// The next client has something to mount, too.
					d.emptyCopy(t)
				}
			})
		}
	})
}

// emptyCopy takes the blobs out of the repository that clients mount into.
func (d door) emptyCopy(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(d.registry.Storage, "docker/registry/v2/repositories/copy")); err != nil {
		t.Fatal(err)
	}
}

// countMounts returns what tells how many mounts went well since.
func countMounts(relay *rig.Relay) func() int {
	var mutex sync.Mutex
	count := 0
	relay.After(func(r *http.Request, status int) {
		mutex.Lock()
		defer mutex.Unlock()
		if r.Method == http.MethodPost && r.URL.Query().Get("mount") != "" && status == http.StatusCreated {
			count++
		}
	})
	return func() int {
		mutex.Lock()
		defer mutex.Unlock()
		return count
	}
}

func askedForBoth(requests []rig.TokenRequest) bool {
	for _, request := range requests {
		scopes := strings.Join(request.Scopes, " ")
		if strings.Contains(scopes, "repository:app:") && strings.Contains(scopes, "repository:copy:") {
			return true
		}
	}
	return false
}

// What the registry says to a client without permission reaches it as it is,
// also where backref asked in its name.
func TestRefusalsReachTheClient(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		tokens := newTokens(t)
		registry := rig.NewRegistry(t, version, tokens.RegistryConfig(""))
		relay := rig.NewRelay(t, registry.URL)
		backref := rig.NewBackref(t, relay.URL, "--set", "permissions.cacheTTL=0s")
		bearer := "Bearer " + tokens.Token("ann", "repository:app:pull,push")
		subject, referrer := pushPair(t, backref.URL, bearer)

		listing := "/v2/app/referrers/" + subject.Digest().String()
		manifest := "/v2/app/manifests/" + subject.Digest().String()
		for _, authorization := range []string{"", "Bearer " + tokens.Token("bob", "repository:app:pull"), "Bearer " + tokens.Token("ann", "repository:copy:pull")} {
			var headers []string
			if authorization != "" {
				headers = []string{"Authorization", authorization}
			}
			want := rig.Do(t, http.MethodGet, registry.URL+manifest, nil, headers...).Want(t, http.StatusUnauthorized)
			for _, path := range []string{manifest, listing} {
				got := rig.Do(t, http.MethodGet, backref.URL+path, nil, headers...).Want(t, http.StatusUnauthorized)
				if got.Header.Get("Www-Authenticate") != want.Header.Get("Www-Authenticate") {
					t.Errorf("%s: challenge %q, the registry's is %q", path, got.Header.Get("Www-Authenticate"), want.Header.Get("Www-Authenticate"))
				}
				if strings.Contains(string(got.Body), referrer.Digest().String()) {
					t.Errorf("%s shows a referrer: %s", path, got.Body)
				}
			}
		}
		if got := rig.Do(t, http.MethodGet, backref.URL+listing, nil, "Authorization", bearer).Want(t, http.StatusOK); !strings.Contains(string(got.Body), referrer.Digest().String()) {
			t.Errorf("who may read gets %s", got.Body)
		}
		relay.Before(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"errors":[{"code":"DENIED","message":"not today"}]}`))
			return true
		})
		// The question in the client's name is a HEAD, which has no body.
		rig.Do(t, http.MethodGet, backref.URL+listing, nil, "Authorization", bearer).Want(t, http.StatusForbidden)
		if got := rig.Do(t, http.MethodGet, backref.URL+manifest, nil, "Authorization", bearer).Want(t, http.StatusForbidden); !strings.Contains(string(got.Body), "not today") {
			t.Errorf("got %s", got.Body)
		}
	})
}

// pushPair pushes an image and a referrer to app.
func pushPair(t *testing.T, base, authorization string) (subject, referrer rig.Manifest) {
	t.Helper()
	begun := rig.Do(t, http.MethodPost, base+"/v2/app/blobs/uploads/", nil, "Authorization", authorization).Want(t, http.StatusAccepted)
	separator := "?"
	if strings.Contains(begun.Location, "?") {
		separator = "&"
	}
	subject = rig.Image("subject")
	rig.Do(t, http.MethodPut, begun.Location+separator+"digest="+subject.Config.Digest.String(), []byte(rig.Empty),
		"Authorization", authorization, "Content-Type", "application/octet-stream").Want(t, http.StatusCreated)
	referrer = rig.Artifact("application/vnd.example.sbom", "sbom", subject.Descriptor())
	for _, m := range []rig.Manifest{subject, referrer} {
		rig.Do(t, http.MethodPut, base+"/v2/app/manifests/"+m.Digest().String(), m.Bytes(),
			"Authorization", authorization, "Content-Type", m.MediaType).Want(t, http.StatusCreated)
	}
	return subject, referrer
}

// Who loses the right to read loses the listing when permissions.cacheTTL is
// over.
func TestRevocationTakesEffect(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		users := rig.NewHtpasswd(t, "ann", "secret", "bob", "secret")
		d := newDoor(t, version, users.RegistryConfig(), "--set", "permissions.cacheTTL=1s")
		subject, _ := pushPair(t, d.backref.URL, basic("ann", "secret"))
		listing := d.backref.URL + "/v2/app/referrers/" + subject.Digest().String()
		rig.Do(t, http.MethodGet, listing, nil, "Authorization", basic("bob", "secret")).Want(t, http.StatusOK)
		users.Set("ann", "secret")
		rig.Eventually(t, "the listing is refused", func() bool {
			return rig.Do(t, http.MethodGet, listing, nil, "Authorization", basic("bob", "secret")).Status == http.StatusUnauthorized
		})
		rig.Do(t, http.MethodGet, listing, nil, "Authorization", basic("ann", "secret")).Want(t, http.StatusOK)
	})
}

// Where a registry hides a repository, what backref says of it is what it says
// of one that doesn't exist.
func TestHiddenRepositoryLooksUnknown(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version, rig.NewHtpasswd(t, "ann", "secret", "bob", "secret").RegistryConfig())
		relay := rig.NewRelay(t, registry.URL)
		backref := rig.NewBackref(t, relay.URL)
		subject, _ := pushPair(t, backref.URL, basic("ann", "secret"))
		relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") == basic("ann", "secret") || !strings.HasPrefix(r.URL.Path, "/v2/app/") {
				return false
			}
			http.NotFound(w, r)
			return true
		})
		list := func(repository, user string) rig.Reply {
			return rig.Do(t, http.MethodGet, backref.URL+"/v2/"+repository+"/referrers/"+subject.Digest().String(), nil,
				"Authorization", basic(user, "secret")).Want(t, http.StatusOK)
		}
		hidden, unknown := list("app", "bob"), list("none", "bob")
		for _, r := range []rig.Reply{hidden, unknown} {
			r.Header.Del("X-Request-Id")
			r.Header.Del("Date")
		}
		if string(hidden.Body) != string(unknown.Body) || headerText(t, hidden) != headerText(t, unknown) {
			t.Errorf("hidden:\n%v\n%s\nunknown:\n%v\n%s", hidden.Header, hidden.Body, unknown.Header, unknown.Body)
		}
		if shown := list("app", "ann"); string(shown.Body) == string(hidden.Body) {
			t.Errorf("who may read gets %s", shown.Body)
		}
	})
}

func headerText(t *testing.T, r rig.Reply) string {
	t.Helper()
	text, err := json.Marshal(r.Header)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
