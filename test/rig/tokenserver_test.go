package rig_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// Both versions of Distribution take the tokens, for what they grant alone.
func TestTokenServer(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		tokens := rig.NewTokenServer(t)
		tokens.SetUser("ann", rig.User{Password: "secret", Grants: map[string][]string{"app": {"pull", "push"}}})
		registry := rig.NewRegistry(t, version, tokens.RegistryConfig(""))

		challenge := rig.Do(t, http.MethodGet, registry.URL+"/v2/", nil).Want(t, http.StatusUnauthorized).Header.Get("Www-Authenticate")
		if !strings.Contains(challenge, tokens.Realm) {
			t.Errorf("challenge %q", challenge)
		}
		bearer := "Bearer " + tokens.Token("ann", "repository:app:pull,push", "repository:other:pull")
		rig.Do(t, http.MethodPost, registry.URL+"/v2/app/blobs/uploads/", nil, "Authorization", bearer).Want(t, http.StatusAccepted)
		rig.Do(t, http.MethodGet, registry.URL+"/v2/other/tags/list", nil, "Authorization", bearer).Want(t, http.StatusUnauthorized)
	})
}

func TestTokenServerGrants(t *testing.T) {
	tokens := rig.NewTokenServer(t)
	tokens.SetUser("ann", rig.User{Password: "secret"})
	form := func(values ...string) []byte {
		all := url.Values{}
		for i := 0; i < len(values); i += 2 {
			all.Set(values[i], values[i+1])
		}
		return []byte(all.Encode())
	}
	const formType = "application/x-www-form-urlencoded"
	rig.Do(t, http.MethodGet, tokens.Realm+"?scope=repository:app:pull", nil).Want(t, http.StatusOK)
	rig.Do(t, http.MethodGet, tokens.Realm, nil, "Authorization", "Basic YW5uOndyb25n").Want(t, http.StatusUnauthorized)
	rig.Do(t, http.MethodPost, tokens.Realm, form("grant_type", "other"), "Content-Type", formType).Want(t, http.StatusBadRequest)
	first := rig.Do(t, http.MethodPost, tokens.Realm, form("grant_type", "password", "username", "ann", "password", "secret"),
		"Content-Type", formType).Want(t, http.StatusOK)
	var answer struct {
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(first.Body, &answer); err != nil {
		t.Fatal(err)
	}
	again := form("grant_type", "refresh_token", "refresh_token", answer.Refresh)
	rig.Do(t, http.MethodPost, tokens.Realm, again, "Content-Type", formType).Want(t, http.StatusOK)
	tokens.RemoveUser("ann")
	rig.Do(t, http.MethodPost, tokens.Realm, again, "Content-Type", formType).Want(t, http.StatusUnauthorized)
	if seen := tokens.Seen(); len(seen) != 6 || seen[0].Scopes[0] != "repository:app:pull" || seen[3].User != "ann" {
		t.Errorf("seen: %+v", seen)
	}
}
