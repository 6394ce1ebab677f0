package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A program that runs with the variables for proxies reaches the registry by
// them, by whichever transport, unless one of them makes an exception.
func TestProxiesOfTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		transport, exceptions string
		used                  bool
	}{
		{"own", "other.test", true},
		{"standard", "other.test", true},
		{"own", "other.test,registry.test", false},
	} {
		t.Run(c.transport+" but "+c.exceptions, func(t *testing.T) {
			t.Parallel()
			var mutex sync.Mutex
			var asked []string
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mutex.Lock()
				defer mutex.Unlock()
				asked = append(asked, r.RequestURI)
				_, _ = io.WriteString(w, `{"repositories": []}`)
			}))
			defer proxy.Close()
			rebuild := exec.CommandContext(t.Context(), "backref", "index", "rebuild", "--create", "--upstream", "http://registry.test",
				"--index", filepath.Join(t.TempDir(), "index.db"), "--set", "upstream.service.anonymous=true", "--set", "upstream.transport="+c.transport)
			rebuild.Env = append(rebuild.Environ(), "HTTP_PROXY="+proxy.URL, "NO_PROXY="+c.exceptions)
			said, err := rebuild.CombinedOutput()
			if (err == nil) != c.used {
				t.Errorf("%v: %s", err, said)
			}
			mutex.Lock()
			defer mutex.Unlock()
			if used := slices.ContainsFunc(asked, func(uri string) bool { return strings.HasPrefix(uri, "http://registry.test/v2/_catalog") }); used != c.used {
				t.Errorf("the proxy was asked %q", asked)
			}
		})
	}
}
