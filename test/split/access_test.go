package split

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// What the primary doesn't let a client see it sees nothing of, though the second
// registry lets anyone in; and who may only read neither pushes nor deletes.
func TestWhoMayNotRead(t *testing.T) {
	for _, version := range []rig.Distribution{rig.Distribution2, rig.Distribution3} {
		t.Run(string(version), func(t *testing.T) {
			tokens := rig.NewTokenServer(t)
			for name, actions := range map[string][]string{"ann": {"pull", "push", "delete"}, "bob": nil, "eve": {"pull"}, "backref": {"*"}} {
				tokens.SetUser(name, rig.User{Password: "secret", Grants: map[string][]string{"app": actions}})
			}
			primary, second := rig.NewRegistry(t, version, tokens.RegistryConfig("")), rig.NewRegistry(t, rig.Distribution3)
			backref := rig.NewBackref(t, primary.URL, "--set", stores(second.URL))
			as := func(user, method, path string, body []byte, headers ...string) rig.Reply {
				headers = append(headers, "Authorization", "Bearer "+tokens.Token(user, "repository:app:pull,push,delete"))
				return rig.Do(t, method, backref.URL+path, body, headers...)
			}
			begun := as("ann", http.MethodPost, "/v2/app/blobs/uploads/", nil).Want(t, http.StatusAccepted)
			blob := "/v2/app/blobs/" + digest.FromString(rig.Empty).String()
			as("ann", http.MethodPut, strings.TrimPrefix(begun.Location, backref.URL)+"&digest="+digest.FromString(rig.Empty).String(), []byte(rig.Empty)).Want(t, http.StatusCreated)
			image := rig.Image("a")
			as("ann", http.MethodPut, "/v2/app/manifests/v1", image.Bytes(), "Content-Type", image.MediaType).Want(t, http.StatusCreated)
			referrer := rig.Artifact("application/vnd.example.sbom", "r", image.Descriptor())
			path := "/v2/app/manifests/" + referrer.Digest().String()
			for _, user := range []string{"bob", "eve"} {
				as(user, http.MethodPut, path, referrer.Bytes(), "Content-Type", referrer.MediaType).Want(t, http.StatusUnauthorized)
			}
			if got := rig.Do(t, http.MethodGet, second.URL+"/v2/_catalog", nil); strings.Contains(string(got.Body), "app") {
				t.Errorf("after refused pushes: %s", got.Body)
			}
			as("ann", http.MethodPut, path, referrer.Bytes(), "Content-Type", referrer.MediaType).Want(t, http.StatusCreated)
			as("ann", http.MethodPut, "/v2/app/manifests/tagged", referrer.Bytes(), "Content-Type", referrer.MediaType).Want(t, http.StatusCreated)
			rig.Do(t, http.MethodDelete, primary.URL+blob, nil, "Authorization", "Bearer "+tokens.Token("ann", "repository:app:delete")).Want(t, http.StatusAccepted)
			listing := "/v2/app/referrers/" + image.Digest().String()
			for _, reading := range []string{path, blob, "/v2/app/manifests/tagged", "/v2/app/tags/list", listing} {
				for _, user := range []string{"ann", "eve"} {
					as(user, http.MethodGet, reading, nil).Want(t, http.StatusOK)
				}
				as("bob", http.MethodGet, reading, nil).Want(t, http.StatusUnauthorized)
			}
			for _, user := range []string{"bob", "eve"} {
				as(user, http.MethodDelete, path, nil).Want(t, http.StatusUnauthorized)
			}
			as("ann", http.MethodDelete, path, nil).Want(t, http.StatusAccepted)
			as("ann", http.MethodGet, path, nil).Want(t, http.StatusNotFound)
		})
	}
}

// A registry that hides what a client may not see behind a "not found" gives no
// permission by it.
func TestNotFoundIsNoPermission(t *testing.T) {
	registry, second := rig.NewRegistry(t, rig.Distribution3), rig.NewRegistry(t, rig.Distribution3)
	primary := rig.NewRelay(t, registry.URL)
	backref := rig.NewBackref(t, primary.URL, "--set", stores(second.URL))
	rig.PushBlob(t, backref.URL, "app", rig.Empty)
	image := rig.Image("a")
	rig.Push(t, backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
	referrer := rig.Artifact("application/vnd.example.sbom", "r", image.Descriptor())
	rig.Push(t, backref.URL, "app", "signed", referrer).Want(t, http.StatusCreated)
	rig.Do(t, http.MethodDelete, registry.URL+"/v2/app/blobs/"+digest.FromString(rig.Empty).String(), nil).Want(t, http.StatusAccepted)
	primary.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/v2/app/") && r.Header.Get("Authorization") == "" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"errors":[{"code":"NAME_UNKNOWN","message":"hidden"}]}`))
			return true
		}
		return false
	})
	for path, body := range map[string]string{
		"/v2/app/manifests/" + referrer.Digest().String():        "hidden",
		"/v2/app/manifests/signed":                               "hidden",
		"/v2/app/blobs/" + digest.FromString(rig.Empty).String(): "hidden",
		"/v2/app/tags/list":                                      "hidden",
	} {
		if got := rig.Do(t, http.MethodGet, backref.URL+path, nil); got.Status != http.StatusNotFound || !strings.Contains(string(got.Body), body) {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
		rig.Do(t, http.MethodGet, backref.URL+path, nil, "Authorization", "Basic eDp4").Want(t, http.StatusOK)
	}
	rig.Do(t, http.MethodDelete, backref.URL+"/v2/app/manifests/"+referrer.Digest().String(), nil).Want(t, http.StatusNotFound)
	if got := rig.Listing(t, backref.URL, "app", image.Digest()); len(got) != 0 {
		t.Errorf("listed: %v", got)
	}
}
