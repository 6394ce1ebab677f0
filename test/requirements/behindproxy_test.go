package requirements

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// behindNginx is a backref behind an nginx that ends TLS.
type behindNginx struct {
	backref *rig.Backref
	nginx   *rig.Nginx
	pool    *x509.CertPool
	// dir is where clients run.
	dir string
}

// newBehindNginx starts both; $BACKREF stands for backref in the server block.
// Clients trust the certificate.
func newBehindNginx(t *testing.T, upstream, block string, args ...string) behindNginx {
	t.Helper()
	certFile, keyFile, pool := certificate(t)
	t.Setenv("SSL_CERT_FILE", certFile)
	b := behindNginx{backref: rig.NewBackref(t, upstream, args...), pool: pool, dir: t.TempDir()}
	b.nginx = rig.NewNginx(t, certFile, keyFile, strings.ReplaceAll(block, "$BACKREF", b.backref.URL))
	for name, content := range map[string]string{
		"layer.txt": "layer", "image.json": `{"architecture":"amd64","os":"linux"}`,
		"policy.json": `{"default":[{"type":"insecureAcceptAnything"}]}`,
	} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// wantPushes has real clients push, as they do by default.
func (b behindNginx) wantPushes(t *testing.T, signIn bool) {
	t.Helper()
	host, run := b.nginx.Host, func(name string, args ...string) { rig.Run(t, b.dir, name, args...) }
	if signIn {
		run("oras", "login", host, "-u", "user", "-p", "pass")
		run("regctl", "registry", "login", host, "-u", "user", "-p", "pass")
	}
	run("oras", "push", host+"/oras:v1", "--config", "image.json:"+rig.ImageConfig, "layer.txt")
	run("oras", "attach", host+"/oras:v1", "--artifact-type", "application/spdx+json", "layer.txt")
	run("regctl", "image", "copy", "--referrers", host+"/oras:v1", host+"/regctl:v1")
	run("regctl", "artifact", "put", "--artifact-type", "application/x", "-f", "layer.txt", host+"/regctl:artifact")
	layout, skopeo := "oci:"+filepath.Join(b.dir, "layout")+":v1", []string{"--policy", filepath.Join(b.dir, "policy.json"), "--tmpdir", b.dir, "copy"}
	if signIn {
		skopeo = append(skopeo, "--authfile", filepath.Join(b.dir, "config.json"))
	}
	run("skopeo", append(skopeo, "docker://"+host+"/oras:v1", layout)...)
	run("skopeo", append(skopeo, layout, "docker://"+host+"/skopeo:v1")...)
	run("crane", "push", filepath.Join(b.dir, "layout"), host+"/crane:v1")
	for _, repository := range []string{"oras", "regctl", "skopeo", "crane"} {
		run("crane", "manifest", host+"/"+repository+":v1")
	}
}

// B1: behind a proxy that ends TLS, with the defaults of both, clients push as
// they do to the registry alone.
func TestB1BehindAProxyThatEndsTLS(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		b := newBehindNginx(t, registry.URL, "location / { proxy_pass $BACKREF; }")
		b.wantPushes(t, false)
	})
}

// The realm of auth.realm rewrite is where clients reach the proxy, if that
// says so, or else the configuration.
func TestB1RealmBehindAProxyThatEndsTLS(t *testing.T) {
	for _, c := range []struct{ name, block, setting string }{
		{"told by the proxy", "location / { proxy_pass $BACKREF; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host; }", "server.trustedProxies=127.0.0.1"},
		{"told by its operator", "location / { proxy_pass $BACKREF; }", "server.publicURL=https://$NGINX"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tokens := rig.NewTokenServer(t)
			tokens.SetUser("user", rig.User{Password: "pass", Grants: map[string][]string{"*": {"pull", "push"}}})
			registry := rig.NewRegistry(t, rig.Distribution2, tokens.RegistryConfig(""))
			b := newBehindNginx(t, registry.URL, c.block, "--set", "auth.realm=rewrite")
			b.backref.Restart("--set", strings.ReplaceAll(c.setting, "$NGINX", b.nginx.Host))
			b.wantPushes(t, true)
			for _, request := range tokens.Seen() {
				if request.Header.Get("X-Forwarded-For") == "" {
					t.Errorf("%s %s did not come through backref", request.Method, request.Path)
				}
			}
		})
	}
}

// Below a path that the proxy takes away, what backref names is there too.
func TestB1BelowAPath(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution3)
	b := newBehindNginx(t, registry.URL, "location /registry/ { proxy_pass $BACKREF/; proxy_set_header X-Forwarded-Prefix /registry; }",
		"--set", "server.trustedProxies=127.0.0.1")
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: b.pool, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	send := func(method, target string, body []byte, status int) *url.URL {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if text, _ := io.ReadAll(resp.Body); resp.StatusCode != status {
			t.Fatalf("%s %s: %s: %s", method, target, resp.Status, text)
		}
		next, err := resp.Location()
		if err != nil {
			return req.URL
		}
		return next
	}
	base := b.nginx.URL + "/registry/v2/app/"
	for _, content := range []string{rig.Empty, "other"} {
		upload := send(http.MethodPost, base+"blobs/uploads/", nil, http.StatusAccepted)
		upload = send(http.MethodPatch, upload.String(), []byte(content), http.StatusAccepted)
		query := upload.Query()
		query.Set("digest", digest.FromString(content).String())
		upload.RawQuery = query.Encode()
		blob := send(http.MethodPut, upload.String(), nil, http.StatusCreated)
		send(http.MethodGet, blob.String(), nil, http.StatusOK)
	}
}

// A proxy that is not trusted is named in the log, with what would mend it.
func TestOperatorIsToldOfAProxy(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	b := newBehindNginx(t, registry.URL, "location / { proxy_pass $BACKREF; proxy_set_header X-Forwarded-Proto $scheme; }")
	b.wantPushes(t, false)
	b.backref.Stop()
	told := 0
	for _, line := range b.backref.Log() {
		if strings.Contains(line, "server.trustedProxies") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}
