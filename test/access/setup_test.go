package access

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/crypto/bcrypt"

	"github.com/backref/backref/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// The passwords of everyone, none of which may be found in a log.
const (
	servicePassword = "upstream-s3cret"
	annPassword     = "ann-s3cret"
	bobPassword     = "bob-s3cret"
	rootPassword    = "root-s3cret"
)

// rules are those of most tests.
const rules = `
    - {repositories: ["public/**"], anonymous: true, allow: [pull]}
    - {repositories: ["team/**"], users: [ann], groups: ["oidc:dev"], allow: [pull, push]}
    - {repositories: [team/app], users: [ann], allow: [delete]}
    - {repositories: [inbox], users: ["*"], allow: [push]}
    - {repositories: ["**"], users: [root], allow: [admin]}
`

// place is a registry behind backref in auth.mode service.
type place struct {
	t        *testing.T
	registry *rig.Registry
	backref  *rig.Backref
	issuer   *rig.Issuer
	// users is the file of those who sign in to backref.
	users string
	// direct are the headers that the registry itself wants.
	direct []string
}

// writeUsers writes a file of names and passwords in turns.
func writeUsers(t testing.TB, path string, pairs ...string) {
	t.Helper()
	var lines strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		hash, err := bcrypt.GenerateFromPassword([]byte(pairs[i+1]), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "%s:%s\n", pairs[i], hash)
	}
	next := path + ".next"
	if err := os.WriteFile(next, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// withPassword is what has a registry ask for the service's password, or for
// those of other users.
func withPassword(t testing.TB, pairs ...string) (extra, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "registry-users")
	writeUsers(t, file, append([]string{"backref", servicePassword}, pairs...)...)
	return fmt.Sprintf("auth: {htpasswd: {realm: registry, path: %s}}\n", file), file
}

// settings writes a configuration file for auth.mode service.
func settings(t testing.TB, service, users, issuer string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "backref.yaml")
	content := "upstream: {service: " + service + "}\nauth:\n  mode: service\n  htpasswdFile: " + users + "\n"
	if issuer != "" {
		content += fmt.Sprintf("  issuers: [{url: %q, audience: backref, groupsClaim: groups, prefix: 'oidc:'}]\n", issuer)
	}
	if err := os.WriteFile(file, []byte(content+"  rules:"+rules), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// newPlace starts all, with a registry that asks for a password or none.
func newPlace(t *testing.T, version rig.Distribution, password bool) *place {
	t.Helper()
	p := &place{t: t, issuer: rig.NewIssuer(t), users: filepath.Join(t.TempDir(), "users")}
	writeUsers(t, p.users, "ann", annPassword, "bob", bobPassword, "root", rootPassword)
	service := "{anonymous: true}"
	var extra []string
	if password {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(servicePassword+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		service = "{username: backref, passwordFile: " + file + "}"
		auth, _ := withPassword(t)
		extra = append(extra, auth)
		p.direct = []string{"Authorization", basic("backref", servicePassword)}
	}
	p.registry = rig.NewRegistry(t, version, extra...)
	p.backref = newBackref(t, p.registry.URL, settings(t, service, p.users, p.issuer.URL))
	return p
}

// newBackref starts backref, whose log must not show a secret in the end.
func newBackref(t *testing.T, upstream, config string) *rig.Backref {
	t.Helper()
	b := rig.NewBackref(t, upstream, "--config", config, "--log-level", "debug")
	t.Cleanup(func() { wantNoSecrets(t, b.Log()) })
	return b
}

// wantNoSecrets looks for passwords, in plain and as Basic has them, and for
// whatever is a token.
func wantNoSecrets(t *testing.T, log []string) {
	t.Helper()
	secrets := []string{"s3cret", "Basic ", "Bearer ey", "eyJ", "$2a$"}
	for name, password := range map[string]string{"ann": annPassword, "bob": bobPassword, "root": rootPassword, "backref": servicePassword} {
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte(name+":"+password)))
	}
	for _, line := range log {
		for _, secret := range secrets {
			if strings.Contains(line, secret) {
				t.Errorf("the log shows a secret: %s", line)
			}
		}
	}
	if len(log) == 0 {
		t.Error("there is no log to look at")
	}
}

// clientsOf are the values of Authorization by who sends them.
func (p *place) clientsOf() map[string]string {
	return map[string]string{
		"nobody": "", "ann": basic("ann", annPassword), "bob": basic("bob", bobPassword), "root": basic("root", rootPassword),
		"dev":      "Bearer " + p.issuer.Token("rsa", "eve", map[string]any{"groups": []string{"dev"}}),
		"impostor": "Bearer " + p.issuer.Token("ec", "root", nil),
		"wrong":    basic("ann", "wrong"),
	}
}

// as sends a request to backref with a value of Authorization.
func (p *place) as(authorization, method, path string, body []byte, headers ...string) rig.Reply {
	p.t.Helper()
	if authorization != "" {
		headers = append(headers, "Authorization", authorization)
	}
	return rig.Do(p.t, method, p.backref.URL+path, body, headers...)
}

// put pushes a manifest with the blob that it needs.
func (p *place) put(authorization, repository, tag string, m rig.Manifest) {
	p.t.Helper()
	p.blob(authorization, repository, rig.Empty)
	p.as(authorization, http.MethodPut, "/v2/"+repository+"/manifests/"+tag, m.Bytes(), "Content-Type", m.MediaType).Want(p.t, http.StatusCreated)
}

// blob pushes a blob as streaming clients do: POST, PATCH, PUT.
func (p *place) blob(authorization, repository, content string) string {
	p.t.Helper()
	begun := p.as(authorization, http.MethodPost, "/v2/"+repository+"/blobs/uploads/", nil).Want(p.t, http.StatusAccepted)
	part := p.as(authorization, http.MethodPatch, p.below(begun), []byte(content), "Content-Type", "application/octet-stream").Want(p.t, http.StatusAccepted)
	location := p.below(part)
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	sum := digest.FromString(content).String()
	p.as(authorization, http.MethodPut, location+separator+"digest="+sum, nil).Want(p.t, http.StatusCreated)
	return sum
}

// below returns the Location of a reply, which has to be at backref.
func (p *place) below(reply rig.Reply) string {
	p.t.Helper()
	location, ours := strings.CutPrefix(reply.Location, p.backref.URL)
	if !ours && !strings.HasPrefix(location, "/") {
		p.t.Fatalf("Location leads to %s", location)
	}
	return location
}
