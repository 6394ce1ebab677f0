package split

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/backref/backref/test/rig"
)

// The second registry is used with credentials of its own, which clients never see and
// never need; where it does not take them nothing is acknowledged.
func TestSignsInToTheSecond(t *testing.T) {
	for name, extra := range map[string]func(t *testing.T) string{
		"password": func(t *testing.T) string { return rig.NewHtpasswd(t, "backref", "secret").RegistryConfig() },
		"token": func(t *testing.T) string {
			tokens := rig.NewTokenServer(t)
			tokens.SetUser("backref", rig.User{Password: "secret", Grants: map[string][]string{prefix + "/app": {"pull", "push", "delete"}}})
			return tokens.RegistryConfig("")
		},
	} {
		t.Run(name, func(t *testing.T) {
			primary, second := rig.NewRegistry(t, rig.Distribution3), rig.NewRegistry(t, rig.Distribution2, extra(t))
			with := func(password string) string {
				file := filepath.Join(t.TempDir(), "password")
				if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
					t.Fatal(err)
				}
				return strings.Replace(stores(second.URL), "anonymous: true", "username: backref, passwordFile: "+file, 1)
			}
			p := newPlace(t, primary, second, "--set", with("secret"))
			image := p.subject(t, "v1")
			referrer := p.referrer(t, "a", image)
			p.wantStatus(t, p.primary.URL, "app", referrer.Digest().String(), http.StatusNotFound)
			p.wantStatus(t, p.backref.URL, "app", referrer.Digest().String(), http.StatusOK)
			rig.Do(t, http.MethodDelete, p.backref.URL+"/v2/app/manifests/"+referrer.Digest().String(), nil).Want(t, http.StatusAccepted)

			wrong := newPlace(t, primary, second, "--set", with("another-secret"))
			other := rig.Artifact("application/vnd.example.sbom", "b", image.Descriptor())
			refused := rig.Push(t, wrong.backref.URL, "app", "", other).Want(t, http.StatusServiceUnavailable)
			if refused.Header.Get("Www-Authenticate") != "" || strings.Contains(strings.Join(wrong.backref.Log(), ""), "another-secret") {
				t.Errorf("%v", refused.Header)
			}
		})
	}
}

// In auth.mode service the rules alone decide.
func TestServiceMode(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users")
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(users, fmt.Appendf(nil, "ann:%s\nbob:%s\n", hash, hash), 0o600); err != nil {
		t.Fatal(err)
	}
	primary, second := rig.NewRegistry(t, rig.Distribution2), rig.NewRegistry(t, rig.Distribution3)
	p := newPlace(t, primary, second, "--set", "auth.mode=service", "--set", "auth.htpasswdFile="+users,
		"--set", `auth.rules=[{repositories: [app], users: [ann], allow: [pull, push, delete]}, {repositories: [app], users: [bob], allow: [push]}]`)
	// Pushed past backref, without a tag: the primary lists nothing of the repository.
	rig.PushBlob(t, primary.URL, "app", rig.Empty)
	image := rig.Image("a")
	rig.Push(t, primary.URL, "app", "", image).Want(t, http.StatusCreated)
	referrer := rig.Artifact("application/vnd.example.sbom", "r", image.Descriptor())
	as := map[string]string{"ann": "Basic YW5uOnNlY3JldA==", "bob": "Basic Ym9iOnNlY3JldA=="}
	path := p.backref.URL + "/v2/app/manifests/" + referrer.Digest().String()
	rig.Do(t, http.MethodPut, path, referrer.Bytes(), "Content-Type", referrer.MediaType, "Authorization", as["bob"]).Want(t, http.StatusCreated)
	for _, reading := range []string{path, p.backref.URL + "/v2/app/referrers/" + image.Digest().String(), p.backref.URL + "/v2/app/tags/list"} {
		rig.Do(t, http.MethodGet, reading, nil, "Authorization", as["ann"]).Want(t, http.StatusOK)
		rig.Do(t, http.MethodGet, reading, nil, "Authorization", as["bob"]).Want(t, http.StatusForbidden)
	}
	rig.Do(t, http.MethodDelete, path, nil, "Authorization", as["bob"]).Want(t, http.StatusForbidden)
	rig.Do(t, http.MethodDelete, path, nil, "Authorization", as["ann"]).Want(t, http.StatusAccepted)
	p.wantStatus(t, second.URL, prefix+"/app", referrer.Digest().String(), http.StatusNotFound)
}
