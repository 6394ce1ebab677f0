package maintenance

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// Each reason for which there is no list of repositories has its own words, and the
// key or flag that mends it, with real registries.
func TestCausesOfNoCatalog(t *testing.T) {
	passwords := rig.NewRegistry(t, rig.Distribution2, rig.NewHtpasswd(t, "backref", "s3cret").RegistryConfig())
	tokens := rig.NewTokenServer(t)
	tokens.SetUser("backref", rig.User{Password: "s3cret", Grants: map[string][]string{"*": {"pull"}}})
	guarded := rig.NewRegistry(t, rig.Distribution3, tokens.RegistryConfig(tokens.Realm))
	many := rig.NewRegistry(t, rig.Distribution2)
	for i := range 3 {
		repository := fmt.Sprint("app", i)
		rig.PushBlob(t, many.URL, repository, rig.Empty)
		rig.Push(t, many.URL, repository, "v1", rig.Image(repository)).Want(t, http.StatusCreated)
	}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html></html>") }))
	t.Cleanup(page.Close)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	const password = "BACKREF_UPSTREAM_SERVICE_PASSWORD"
	for name, c := range map[string]struct {
		upstream, password string
		set                []string
		want               string
		// not is of another cause.
		not string
		// waits says that it is tried again for a while.
		waits bool
	}{
		"no credentials":            {upstream: passwords.URL, want: "set upstream.service.username"},
		"a wrong password":          {upstream: passwords.URL, password: "wr0ng", want: "check username and password there", not: "name the repositories"},
		"a password nobody takes":   {upstream: guarded.URL, password: "wr0ng", want: "check username and password there", not: "name the repositories"},
		"no right":                  {upstream: guarded.URL, password: "s3cret", want: "the user of upstream.service may not list the repositories", not: "check username"},
		"more than we read":         {upstream: many.URL, set: []string{"limits.listEntries=2"}, want: "raise limits.listEntries"},
		"nobody there":              {upstream: "http://" + gone.Addr().String(), want: "nobody listens at upstream.url", not: "name the repositories", waits: true},
		"a wrong path":              {upstream: many.URL + "/wrong", want: "no registry API at upstream.url", not: "name the repositories"},
		"no registry":               {upstream: page.URL, want: "is no registry", not: "name the repositories"},
		"an authority nobody knows": {upstream: secure.URL, want: "upstream.tls.caFile", not: "name the repositories"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"--upstream", c.upstream, "--index", t.TempDir() + "/backref.db"}
			for _, setting := range c.set {
				args = append(args, "--set", setting)
			}
			if c.password != "" {
				args = append(args, "--set", "upstream.service.username=backref")
				t.Setenv(password, c.password)
			}
			commands := [][]string{{"index", "rebuild", "--create"}, {"index", "verify"}, {"tags", "prune"}}
			if c.waits {
				commands = commands[:1]
			}
			for _, command := range commands {
				got := rig.TryCommandLine(t, t.TempDir(), append(command, args...)...)
				said := got.Stdout + got.Stderr
				if got.Err == nil || !strings.Contains(said, c.want) || c.not != "" && strings.Contains(said, c.not) || c.password != "" && strings.Contains(said, c.password) {
					t.Errorf("%v: %v: %s", command, got.Err, said)
				}
			}
		})
	}
}
