package see

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// The passwords of viewers, none of which may be found in a log or on a page.
const (
	adaPassword     = "ada-pages-s3cret"
	benPassword     = "ben-pages-s3cret"
	servicePassword = "service-pages-s3cret"
	operatorToken   = "operator-pages-s3cret"
)

// publicPages is where the page is for who reaches backref as a client.
const publicPages = "/_backref/ui"

// looker is somebody with a browser of no scripts: cookies are kept, redirects followed.
type looker struct {
	t      testing.TB
	base   string
	client *http.Client
	header http.Header
}

// newLooker returns one who looks at pages below an address.
func newLooker(t testing.TB, base string) *looker {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &looker{t, base, &http.Client{Jar: jar}, http.Header{}}
}

// answer is what a looker is sent, with the header of the last answer.
type answer struct {
	status int
	url    string
	header http.Header
	body   string
}

// send sends a request; form is nil for a GET. Redirects are followed.
func (l *looker) send(path string, form url.Values, headers ...string) answer {
	l.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.base+path, body)
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header = l.header.Clone()
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := l.client.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Request.URL.String(), resp.Header, string(read)}
}

func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Errorf("%s: status %d, want %d: %s", a.url, a.status, status, a.body)
	}
	return a
}

// formToken finds what goes with the last form of a page.
func formToken(page string) string {
	found := regexp.MustCompile(`name="token" value="([^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1][1]
}

// signIn signs in by the form, and returns to a page.
func (l *looker) signIn(name, password, to string) answer {
	l.t.Helper()
	form := l.send("/sign-in?to="+url.QueryEscape(to), nil)
	return l.send("/sign-in", url.Values{"token": {formToken(form.body)}, "name": {name}, "password": {password}, "to": {to}})
}

// secretFile writes a file with a secret.
func secretFile(t testing.TB, secret string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// wantNoSecrets fails the test where a log has one.
func wantNoSecrets(t testing.TB, backref *rig.Backref) {
	t.Helper()
	for _, line := range backref.Log() {
		if strings.Contains(line, "s3cret") || strings.Contains(line, "eyJ") {
			t.Errorf("the log shows a secret: %s", line)
		}
	}
}

// viewed starts backref with a public page, whose log must have no secret in the end.
func viewed(t testing.TB, upstream string, args ...string) *rig.Backref {
	t.Helper()
	backref := rig.NewBackref(t, upstream, append([]string{"--set", "ui.public=true", "--log-level", "debug"}, args...)...)
	t.Cleanup(func() { wantNoSecrets(t, backref) })
	return backref
}

// service writes the configuration of auth.mode service for ada, who may read team-a,
// and ben, who may read team-b.
func service(t testing.TB, users *rig.Htpasswd, issuer *rig.Issuer) string {
	t.Helper()
	config := fmt.Sprintf(`
upstream: {service: {anonymous: true}}
auth:
  mode: service
  htpasswdFile: %s
  rules:
    - {repositories: ["team-a/**"], users: [ada], groups: ["oidc:team-a"], allow: [pull]}
    - {repositories: ["team-b/**"], users: [ben], groups: ["oidc:team-b"], allow: [pull]}
    - {repositories: ["open/**"], anonymous: true, allow: [pull]}
    - {repositories: ["**"], users: [root], allow: [admin]}
`, users.Path)
	if issuer != nil {
		config += fmt.Sprintf(`  issuers: [{url: %q, audience: backref, groupsClaim: groups, prefix: "oidc:"}]
ui: {public: true, oidc: {issuer: %q, clientID: pages, clientSecretFile: %s}}
`, issuer.URL, issuer.URL, secretFile(t, rig.ClientSecret))
	}
	file := filepath.Join(t.TempDir(), "backref.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// push pushes a manifest with the blobs that tests' manifests name, past backref where
// at is the registry.
func push(t testing.TB, at, repository, reference string, m rig.Manifest, headers ...string) digest.Digest {
	t.Helper()
	base := at + "/v2/" + repository
	begun, err := rig.Send(t, http.MethodPost, base+"/blobs/uploads/", nil, headers...)
	if err != nil || begun.Status != http.StatusAccepted {
		t.Fatalf("begin an upload: %v %d %s", err, begun.Status, begun.Body)
	}
	separator := "?"
	if strings.Contains(begun.Location, "?") {
		separator = "&"
	}
	sum := digest.FromString(rig.Empty)
	done, err := rig.Send(t, http.MethodPut, begun.Location+separator+"digest="+sum.String(), []byte(rig.Empty), append(headers, "Content-Type", "application/octet-stream")...)
	if err != nil || done.Status != http.StatusCreated {
		t.Fatalf("upload: %v %d %s", err, done.Status, done.Body)
	}
	if reference == "" {
		reference = m.Digest().String()
	}
	put, err := rig.Send(t, http.MethodPut, base+"/manifests/"+reference, m.Bytes(), append(headers, "Content-Type", m.MediaType)...)
	if err != nil || put.Status != http.StatusCreated {
		t.Fatalf("push: %v %d %s", err, put.Status, bytes.TrimSpace(put.Body))
	}
	return m.Digest()
}
