package requirements

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// What is no registry has nothing of what it is asked for, and that is no reason
// for an empty list: neither behind a wrong path, nor where a server answers
// everything alike. In front of the registry itself an unknown repository has
// one.
func TestWhatIsNoRegistryHasNoListing(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	guarded := rig.NewRegistry(t, rig.Distribution3, rig.NewHtpasswd(t, "user", "password").RegistryConfig())
	alike := func(status int, mediaType, body string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	byService := []string{
		"--set", "auth.mode=service", "--set", `auth.rules=[{repositories: ["**"], anonymous: true, allow: [pull]}]`, "--set", "upstream.service.anonymous=true",
	}
	paths := []string{"/v2/app/referrers/" + digest.FromString("subject").String(), "/v2/app/_backref/catalog/artifacts"}
	for name, c := range map[string]struct {
		upstream, reason string
		headers          []string
	}{
		"a wrong path":                   {registry.URL + "/wrong", `"reason":"no_api"`, nil},
		"a wrong path, behind passwords": {guarded.URL + "/wrong", `"reason":"no_api"`, []string{"Authorization", "Basic dXNlcjpwYXNzd29yZA=="}},
		"404 to everything":              {alike(http.StatusNotFound, "text/plain", "default backend"), `"reason":"no_api"`, nil},
		"a page for everything":          {alike(http.StatusOK, "text/html", "<html>"), `"reason":"no_registry"`, nil},
	} {
		for mode, args := range map[string][]string{"passthrough": nil, "service": byService} {
			t.Run(name+", "+mode, func(t *testing.T) {
				backref := rig.NewBackref(t, c.upstream, append([]string{"--set", "log.delay=0"}, args...)...)
				asked, headers := paths, c.headers
				if mode == "service" {
					// Whom the rules let in is shown what the index knows of artifacts.
					asked, headers = paths[:1], nil
				}
				for _, path := range asked {
					got := rig.Do(t, http.MethodGet, backref.URL+path, nil, headers...)
					if got.Status != http.StatusBadGateway || got.Header.Get("Retry-After") == "" || !strings.Contains(string(got.Body), `"UNAVAILABLE"`) {
						t.Errorf("%s: %d %v: %s", path, got.Status, got.Header, got.Body)
					}
				}
				rig.Eventually(t, "the log says "+c.reason, func() bool { return strings.Contains(strings.Join(backref.Log(), "\n"), c.reason) })
			})
		}
	}
	backref := rig.NewBackref(t, registry.URL)
	for _, path := range paths {
		rig.Do(t, http.MethodGet, backref.URL+path, nil).Want(t, http.StatusOK)
	}
}
