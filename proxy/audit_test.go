package proxy_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/backref/backref/config"
	"github.com/backref/backref/registry"
	"github.com/opencontainers/go-digest"
	"golang.org/x/crypto/bcrypt"
)

// audited is what an audit was told.
type audited struct {
	mutex  sync.Mutex
	events []string
	askers []registry.Asker
}

func (a *audited) record(ctx context.Context, event registry.AuditEvent) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	id := "with a request"
	if registry.RequestID(ctx) == "" {
		id = "without a request"
	}
	a.events = append(a.events, strings.Join([]string{
		event.Outcome, event.Action, event.Repository, event.Tag, event.Digest.String(), event.Rule, id,
	}, " "))
	a.askers = append(a.askers, registry.AskerOf(ctx))
}

// take returns what was told since the last call.
func (a *audited) take() (events []string, askers []registry.Asker) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	events, askers = a.events, a.askers
	a.events, a.askers = nil, nil
	return events, askers
}

// Each denial of our own, and each deletion that the registry carried out, is told
// once; what the registry refuses is its own affair.
func TestAuditOfDenialsAndDeletions(t *testing.T) {
	f := newFixture(t, func(cfg *config.Config) {
		runtimeOnly(cfg)
		cfg.Artifacts.Rules = append(cfg.Artifacts.Rules, config.ArtifactRule{
			Name: "no-sboms", Repositories: []string{"**"}, Actions: []string{"push"}, Deny: []string{"application/vnd.example.sbom"},
		})
	})
	runtime := f.by("runtime")
	sbom := referrer("sbom", f.registry.put("a", image("app"), "v1"))
	sum, img := f.registry.put("a", sbom, "sbom"), digest.FromBytes(image("app"))
	blob := digest.FromString("blob")
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.Contains(r.URL.Path, "/blobs/"):
			w.WriteHeader(http.StatusAccepted)
		case r.Header.Get("Authorization") == "Basic refused":
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, `{"errors":[{"code":"DENIED","message":"by the registry"}]}`)
		default:
			return false
		}
		return true
	})
	for _, c := range []struct {
		front             *fixture
		method, reference string
		body              []byte
		authorization     string
		want              string
	}{
		{runtime, http.MethodGet, "manifests/sbom", nil, "", "denied pull a sbom  runtime-images with a request"},
		{runtime, http.MethodHead, "manifests/" + sum.String(), nil, "", "denied pull a  " + sum.String() + " runtime-images with a request"},
		{runtime, http.MethodGet, "referrers/" + img.String(), nil, "", "denied pull a  " + img.String() + " runtime-images with a request"},
		{runtime, http.MethodGet, "_backref/catalog/artifacts", nil, "", "denied pull a   runtime-images with a request"},
		{f, http.MethodPut, "manifests/new", sbom, "", "denied push a new  no-sboms with a request"},
		{f, http.MethodGet, "manifests/sbom", nil, "", ""},
		{f, http.MethodGet, "manifests/missing", nil, "", ""},
		{f, http.MethodGet, "manifests/sbom", nil, "Basic refused", ""},
		{f, http.MethodDelete, "manifests/v1", nil, "Basic refused", ""},
		{f, http.MethodDelete, "manifests/v1", nil, "", "deleted delete a v1 " + img.String() + "  with a request"},
		{f, http.MethodDelete, "manifests/" + sum.String(), nil, "", "deleted delete a  " + sum.String() + "  with a request"},
		{f, http.MethodDelete, "blobs/" + blob.String(), nil, "", "deleted delete a  " + blob.String() + "  with a request"},
	} {
		c.front.do(c.method, "/v2/a/"+c.reference, c.body, "Content-Type", imageManifest, "Authorization", c.authorization)
		if events, _ := f.audited.take(); strings.Join(events, "; ") != c.want {
			t.Errorf("%s %s: %q, want %q", c.method, c.reference, events, c.want)
		}
	}
}

// Who asked is told by name where the name can be no credential, and as claimed
// where nobody here has vouched for it.
func TestAuditOfWhoAsked(t *testing.T) {
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	token := func(claims string) string {
		return "Bearer e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2lnbmF0dXJl"
	}
	f := newFixture(t, runtimeOnly, func(cfg *config.Config) {
		cfg.Server.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	runtime := f.by("runtime")
	f.registry.put("a", referrer("sbom", digest.FromString("subject")), "sbom")
	for authorization, want := range map[string]string{
		"":                                   "",
		basic("ann:secret"):                  "ann",
		basic("robot$team+ci:secret"):        "robot$team+ci",
		basic("ann@example.com:secret"):      "ann@example.com",
		basic("ann"):                         "",
		basic("dop_v1_0a1b2c:dop_v1_0a1b2c"): "",
		basic("ann\x1b[2J:secret"):           "",
		basic("4d5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0c1d2e3f:x-oauth-basic"): "",
		basic("ghp_16C7e42F292c6912E7710c838347Ae178B4a:x"):             "",
		basic("glpat-Ab1Cd2Ef3Gh4Ij5Kl6Mn:x"):                           "",
		"Basic ?":                                                       "",
		token(`{"sub":"ann"}`):                                          "ann",
		token(`{"sub":7}`):                                              "",
		token(`{"name":"ann"}`):                                         "",
		"Bearer opaque":                                                 "",
		"Bearer ann.e30.c2lnbmF0dXJl.more":                              "",
	} {
		runtime.do(http.MethodGet, "/v2/a/manifests/sbom", nil, "Authorization", authorization, "User-Agent", "test/1", "X-Forwarded-For", "192.0.2.7")
		_, askers := f.audited.take()
		if len(askers) != 1 || askers[0] != (registry.Asker{User: want, Claimed: want != "", Client: "192.0.2.7", UserAgent: "test/1", Listener: "runtime"}) {
			t.Errorf("%q: %+v, want %q", authorization, askers, want)
		}
	}
}

// In auth.mode service who signed in is told as they are, and the rules of access
// are a rule too: also where they make a repository look as if there were none.
func TestAuditOfAccess(t *testing.T) {
	f := newFixture(t, func(cfg *config.Config) {
		hash, err := bcrypt.GenerateFromPassword([]byte("password"), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Auth.Mode, cfg.Upstream.Service.Anonymous = config.AuthService, true
		cfg.Auth.HtpasswdFile = filepath.Join(t.TempDir(), "users")
		if err := os.WriteFile(cfg.Auth.HtpasswdFile, append([]byte("ann:"), hash...), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg.Auth.Rules = []config.Rule{
			{Repositories: []string{"a"}, Users: []string{"ann"}, Allow: []string{"pull"}},
			{Repositories: []string{"b"}, Users: []string{"ann"}, Allow: []string{"push"}},
		}
	})
	for path, want := range map[string]string{
		"/v2/a/manifests/v1": "", "/v2/b/manifests/v1": "denied pull b v1  auth.rules with a request", "/v2/c/manifests/v1": "denied pull c v1  auth.rules with a request",
	} {
		f.do(http.MethodGet, path, nil, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("ann:password")))
		events, askers := f.audited.take()
		if strings.Join(events, "; ") != want {
			t.Errorf("%s: %q, want %q", path, events, want)
		}
		for _, asker := range askers {
			if asker.User != "ann" || asker.Claimed || asker.Listener != "main" {
				t.Errorf("%+v", asker)
			}
		}
	}
	// Who has not signed in is asked to, and denied nothing.
	f.do(http.MethodGet, "/v2/a/manifests/v1", nil)
	if events, _ := f.audited.take(); len(events) > 0 {
		t.Errorf("%q", events)
	}
}
