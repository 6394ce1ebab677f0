package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// composeBackref is a backref with the command, the variables and the
// configuration of a service.
type composeBackref struct {
	*rig.Program
	url, adminURL string
	// dir is where it runs, config its configuration.
	dir, config string
	environ     []string
}

// registry starts the registry of a Compose file on loopback.
func (c composed) registry(t *testing.T) (host string) {
	t.Helper()
	dir := t.TempDir()
	config := writeFile(t, filepath.Join(dir, "config.yml"), replace(t, c.file(t, "registry", "/etc/distribution/config.yml"),
		`":5000"`, "127.0.0.1:0", "/var/lib/registry", filepath.Join(dir, "content")))
	cmd := exec.Command(rig.Tool(t, string(rig.Distribution3)), "serve", config)
	cmd.Env = append(os.Environ(), c.variables("registry")...)
	host = rig.NewProgram(t, "registry", regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`), cmd).Ready
	c.wantHealthy(t, "registry", nil, "127.0.0.1:5000", host)
	return host
}

func (c composed) variables(service string) []string {
	var environ []string
	for _, name := range slices.Sorted(maps.Keys(c.Services[service].Environment)) {
		environ = append(environ, name+"="+c.Services[service].Environment[name])
	}
	return environ
}

// backref starts one of the services on loopback, with the secrets that it
// names and with other addresses in its configuration.
func (c composed) backref(t *testing.T, service string, pairs ...string) composeBackref {
	t.Helper()
	const path = "/etc/backref/backref.yaml"
	dir := t.TempDir()
	for _, secret := range c.Services[service].Secrets {
		pairs = append(pairs, secret.Target, writeFile(t, filepath.Join(dir, secret.Source), "secret of "+secret.Source+"\n"))
	}
	b := composeBackref{dir: dir, config: writeFile(t, filepath.Join(dir, "backref.yaml"), replace(t, c.file(t, service, path), pairs...))}
	command := slices.Clone(c.Services[service].Command)
	for i := range command {
		command[i] = strings.ReplaceAll(command[i], path, b.config)
	}
	b.environ = append(c.variables(service), "BACKREF_SERVER_LISTEN=127.0.0.1:0", "BACKREF_ADMIN_LISTEN=127.0.0.1:0")
	cmd := exec.Command(rig.Binary(t), command...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), b.environ...)
	b.Program = rig.NewProgram(t, service, regexp.MustCompile(`^(\{.*"message":"serving".*\})$`), cmd)
	var serving struct{ Listen, AdminListen string }
	if err := json.Unmarshal([]byte(b.Ready), &serving); err != nil {
		t.Fatal(err)
	}
	b.url, b.adminURL = "http://"+serving.Listen, "http://"+serving.AdminListen
	b.environ = append(b.environ, "BACKREF_ADMIN_LISTEN="+serving.AdminListen)
	c.wantHealthy(t, service, b.environ, path, b.config)
	return b
}

// run runs a command of backref in the place of the service, as docker compose
// exec does.
func (b composeBackref) run(t *testing.T, input string, args ...string) string {
	t.Helper()
	cmd := exec.Command(rig.Binary(t), append(args, "--config", b.config)...)
	cmd.Dir, cmd.Env, cmd.Stdin = b.dir, append(os.Environ(), b.environ...), strings.NewReader(input)
	return output(t, cmd)
}

// The Compose file with the embedded index, its services started one by one on
// loopback: a referrer is listed, and the admin API is for those with the token.
func TestComposeServes(t *testing.T) {
	c := readCompose(t, "bbolt")
	b := c.backref(t, "backref", "registry:5000", c.registry(t))
	subject, referrer := pushSigned(t, b.url, "app")
	wantReferrer(t, b.url, "app", subject, referrer)
	rig.Do(t, http.MethodGet, b.adminURL+"/admin/stats", nil).Want(t, http.StatusUnauthorized)
	rig.Do(t, http.MethodGet, b.adminURL+"/admin/stats", nil, "Authorization", "Bearer secret of admin-token").Want(t, http.StatusOK)

	exported := b.run(t, "", "index", "export")
	if strings.Count(exported, "\n") != 2 || !strings.Contains(exported, referrer.Digest().String()) {
		t.Errorf("exported: %s", exported)
	}
	b.run(t, exported, "index", "import")
	b.Stop()
}

// The Compose file with PostgreSQL, likewise: both replicas list what was
// pushed through nginx, which goes on while one of them is replaced.
func TestComposeReplicas(t *testing.T) {
	c := readCompose(t, "postgres")
	database, err := url.Parse(rig.NewPostgres(t, false).URL)
	if err != nil {
		t.Fatal(err)
	}
	c.wantHealthy(t, "postgres", []string{"PGPORT=" + database.Port()}, "--dbname=backref", "--dbname=postgres")
	pairs := []string{"registry:5000", c.registry(t), "@postgres/backref", "@" + database.Host + "/postgres"}
	a, b := c.backref(t, "backref-a", pairs...), c.backref(t, "backref-b", pairs...)
	front := c.nginx(t, a, b)

	subject, referrer := pushSigned(t, front, "app")
	for _, base := range []string{front, a.url, b.url} {
		wantReferrer(t, base, "app", subject, referrer)
	}
	// A layer larger than what nginx keeps in memory by default, and than the
	// body that it takes by default.
	rig.PushBlob(t, front, "app", strings.Repeat("layer", 1<<20))

	a.Stop()
	for i := range 10 {
		another := rig.Artifact("application/spdx+json", fmt.Sprint(i), subject.Descriptor())
		rig.Push(t, front, "app", "", another).Want(t, http.StatusCreated)
	}
	if listed := rig.Listing(t, front, "app", subject.Digest()); len(listed) != 11 {
		t.Errorf("%d are listed with one replica, want 11", len(listed))
	}
	b.Stop()
	rig.Do(t, http.MethodGet, front+"/v2/", nil).Want(t, http.StatusBadGateway)
}

// nginx starts nginx with the configuration of the Compose file in front of two
// replicas, and returns its URL.
func (c composed) nginx(t *testing.T, replicas ...composeBackref) string {
	t.Helper()
	dir, front, health := openDir(t), rig.FreeAddress(t), rig.FreeAddress(t)
	pairs := []string{"/tmp/", dir + "/", "listen 8080;", "listen " + front + ";", "listen 127.0.0.1:8081;", "listen " + health + ";",
		// It says that it has started.
		"error_log stderr warn;", "error_log stderr notice;"}
	for i, name := range []string{"backref-a", "backref-b"} {
		// Debian's nginx is older than this parameter; an address needs none.
		pairs = append(pairs, "server "+name+":8080 resolve ", "server "+strings.TrimPrefix(replicas[i].url, "http://")+" ")
	}
	const path = "/etc/backref/nginx.conf"
	config := writeFile(t, filepath.Join(dir, "nginx.conf"), replace(t, c.file(t, "nginx", path), pairs...))
	args := append(slices.Clone(c.Services["nginx"].Entrypoint[1:]), "-p", dir, "-e", "stderr")
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], path, config)
	}
	running := rig.NewProgram(t, "nginx", regexp.MustCompile(`(start worker process )`), exec.Command(rig.Tool(t, "nginx"), args...))
	// Killed, it would leave its workers.
	t.Cleanup(running.Stop)
	c.wantHealthy(t, "nginx", nil, "127.0.0.1:8081", health)
	return "http://" + front
}
