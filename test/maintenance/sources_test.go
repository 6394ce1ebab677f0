package maintenance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// hurried are quick settings for registries with many tags.
func hurried() []string {
	return append([]string{"--set", "reconcile.rate=100000"}, quick...)
}

// rebuilt is the report of a rebuild.
type rebuilt struct {
	Repositories, Found, Added, Failed int
	Swapped                            bool
}

// go-containerregistry's registry cuts a page without a link, and begins anew
// behind the end.
func TestPagesThatAreCutWithoutALink(t *testing.T) {
	const count = 1500
	registry := rig.NewCraneRegistry(t)
	backref := rig.NewBackref(t, registry.URL, hurried()...)
	rig.PushBlob(t, registry.URL, "app", rig.Empty)
	var want []string
	for i := range count {
		tag := fmt.Sprintf("v%04d", i)
		want = append(want, tag)
		rig.Push(t, registry.URL, "app", tag, rig.Image(tag)).Want(t, http.StatusCreated)
	}
	if got := report[rebuilt](t, backref.Run(t, "index", "rebuild"), "report"); got.Found != count || got.Failed > 0 || !got.Swapped {
		t.Errorf("rebuild: %+v", got)
	}
	if got := report[verified](t, backref.Run(t, "index", "verify"), "verification"); got.Manifests != count || got.Unknown+got.Missing+got.Failed > 0 {
		t.Errorf("verify: %+v", got)
	}
	for _, n := range []int{100, 500, 1000, 1500, 2000} {
		var got []string
		for next := "/v2/app/tags/list?n=" + strconv.Itoa(n); next != ""; {
			page := rig.Do(t, http.MethodGet, backref.URL+next, nil).Want(t, http.StatusOK)
			var list struct{ Tags []string }
			if err := json.Unmarshal(page.Body, &list); err != nil {
				t.Fatal(err)
			}
			got = append(got, list.Tags...)
			next = strings.TrimSuffix(strings.TrimPrefix(page.Header.Get("Link"), "<"), `>; rel="next"`)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %d tags", n, len(got))
		}
	}
	listed := rig.RunCommandLine(t, t.TempDir(), "tags", "-o", "digest", registry.Host+"/app")
	if got := strings.Count(listed, "sha256:"); got != count {
		t.Errorf("the command line lists %d tags", got)
	}
}

// A registry may refuse a page above its maximum instead of sending a smaller
// one.
func TestCappedPages(t *testing.T) {
	const count = 120
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version, "catalog: {maxentries: 100}\n")
		backref := rig.NewBackref(t, registry.URL, hurried()...)
		for i := range count {
			repository := fmt.Sprintf("app%03d", i)
			rig.PushBlob(t, registry.URL, repository, rig.Empty)
			rig.Push(t, registry.URL, repository, "v1", rig.Image(repository)).Want(t, http.StatusCreated)
		}
		if got := report[rebuilt](t, backref.Run(t, "index", "rebuild"), "report"); got.Repositories != count || got.Found != count || !got.Swapped {
			t.Errorf("rebuild: %+v", got)
		}
		if got := report[verified](t, backref.Run(t, "index", "verify"), "verification"); got.Manifests != count || got.Failed > 0 {
			t.Errorf("verify: %+v", got)
		}
		backref.Run(t, "tags", "prune")
	})
}

// Without the credentials that it wants, the registry's refusal is what the
// operator reads, and what to set.
func TestRefusalsSayWhatIsMissing(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	relay := rig.NewRelay(t, registry.URL)
	for _, c := range []struct {
		status        int
		code          string
		challenge     string
		service, want []string
	}{
		{http.StatusUnauthorized, "BROKEN", "", nil, []string{"401", "upstream.service.username", "upstream.service.passwordFile", "; or name the repositories (--repositories-from)"}},
		{http.StatusUnauthorized, "BROKEN", `Basic realm="x"`, nil, []string{"401", "upstream.service.username"}},
		{http.StatusUnauthorized, "BROKEN", "", []string{"upstream.service.anonymous=true"}, []string{"401", "instead of upstream.service.anonymous"}},
		{http.StatusUnauthorized, "BROKEN", `Basic realm="x"`, []string{"upstream.service.username=u"}, []string{"401", "check username and password"}},
		{http.StatusForbidden, "BROKEN", "", []string{"upstream.service.username=u"}, []string{"403", "the user of upstream.service may not list the repositories", "name the repositories"}},
		{http.StatusNotFound, "BROKEN", "", nil, []string{"no catalog that can be read; name the repositories"}},
		{http.StatusMethodNotAllowed, "BROKEN", "", nil, []string{"no catalog that can be read; name the repositories"}},
		{http.StatusBadRequest, "BROKEN", "", nil, []string{"400", "BROKEN the true cause"}},
		{http.StatusBadRequest, "PAGINATION_NUMBER_INVALID", "", nil, []string{"400", "catalog.maxentries", "name the repositories"}},
		{http.StatusBadRequest, "UNSUPPORTED", "", nil, []string{"no catalog that can be read; name the repositories"}},
	} {
		t.Run(fmt.Sprint(c.status, c.challenge, c.service), func(t *testing.T) {
			relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/v2/_catalog" {
					return false
				}
				if c.challenge != "" {
					w.Header().Set("WWW-Authenticate", c.challenge)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(`{"errors":[{"code":"` + c.code + `","message":"the true cause"}]}`))
				return true
			})
			var args []string
			for _, setting := range c.service {
				args = append(args, "--set", setting)
				if strings.HasPrefix(setting, "upstream.service.username=") {
					t.Setenv("BACKREF_UPSTREAM_SERVICE_PASSWORD", "w0rd")
				}
			}
			backref := rig.NewBackref(t, relay.URL, args...)
			for _, command := range []string{"rebuild", "verify"} {
				got := backref.Try(t, "index", command)
				said := got.Stdout + got.Stderr
				if got.Err == nil || strings.Contains(said, "w0rd") {
					t.Errorf("%s: %v: %s", command, got.Err, said)
				}
				for _, part := range c.want {
					if !strings.Contains(said, part) {
						t.Errorf("%s: %q is missing in: %s", command, part, said)
					}
				}
				if missing := slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}, c.status); !missing && c.code == "BROKEN" && strings.Contains(said, "no catalog") {
					t.Errorf("%s: %s", command, said)
				}
			}
		})
	}
}

// BuildKit's registry cache is an index of layers and a config, which CNCF
// Distribution 3 refuses.
func TestRebuildWithACache(t *testing.T) {
	for name, start := range map[string]func() string{
		"registry2": func() string { return rig.NewRegistry(t, rig.Distribution2).URL },
		"crane":     func() string { return rig.NewCraneRegistry(t).URL },
	} {
		t.Run(name, func(t *testing.T) {
			registry := start()
			backref := rig.NewBackref(t, registry, quick...)
			prepare(t, backref.URL, "app")
			layer := rig.Descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar+gzip", Digest: rig.PushBlob(t, backref.URL, "app", "layer"), Size: 5}
			config := rig.Descriptor{MediaType: "application/vnd.buildkit.cacheconfig.v0", Digest: rig.PushBlob(t, backref.URL, "app", "config"), Size: 6}
			other := rig.Descriptor{MediaType: "application/vnd.example.other", Digest: rig.PushBlob(t, backref.URL, "app", "other"), Size: 5}
			rig.Push(t, backref.URL, "app", "cache", rig.Index(layer, config, other)).Want(t, http.StatusCreated)
			if got := report[rebuilt](t, backref.Run(t, "index", "rebuild"), "report"); got.Found != 2 || got.Failed > 0 || !got.Swapped {
				t.Errorf("rebuild: %+v", got)
			}
			if got := report[verified](t, backref.Run(t, "index", "verify"), "verification"); got.Manifests != 2 || got.Unknown+got.Missing+got.Wrong+got.Failed > 0 {
				t.Errorf("verify: %+v", got)
			}
			host, behind := strings.TrimPrefix(backref.URL, "http://"), strings.TrimPrefix(registry, "http://")
			rig.RunCommandLine(t, t.TempDir(), "tree", host+"/app:cache")
			rig.RunCommandLine(t, t.TempDir(), "tree", behind+"/app:cache")
			rig.Do(t, http.MethodGet, backref.URL+"/v2/app/_backref/graph/tree?subject=cache", nil).Want(t, http.StatusOK)
			rig.RunCommandLine(t, t.TempDir(), "tags", behind+"/app")
			dir := t.TempDir()
			for _, way := range [][2]string{{host + "/app:cache", host + "/copied:cache"}, {behind + "/app:cache", "oci:" + dir + ":cache"}, {"oci:" + dir + ":cache", behind + "/back:cache"}} {
				rig.RunCommandLine(t, t.TempDir(), "copy", way[0], way[1])
			}
			for _, repository := range []string{"copied", "back"} {
				for _, blob := range []rig.Descriptor{layer, config, other} {
					rig.Do(t, http.MethodGet, registry+"/v2/"+repository+"/blobs/"+blob.Digest.String(), nil).Want(t, http.StatusOK)
				}
			}
		})
	}
}
