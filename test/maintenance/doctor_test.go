package maintenance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// examined is what backref doctor reports.
type examined struct {
	Version  string
	At       time.Time
	Healthy  bool
	Counts   map[string]int
	Findings []struct{ Check, Result, Message, Advice string }
}

// examine runs backref doctor, which has to fail exactly where something did, and
// never show a secret.
func examine(t *testing.T, secret string, args ...string) examined {
	t.Helper()
	// With the race detector a program waits for a second before it ends.
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	got := rig.TryCommandLine(t, t.TempDir(), append([]string{"doctor", "-o", "json"}, args...)...)
	var e examined
	if err := json.Unmarshal([]byte(got.Stdout), &e); err != nil {
		t.Fatalf("%v: %s%s", err, got.Stdout, got.Stderr)
	}
	if e.Healthy != (got.Err == nil) || e.Healthy != (e.Counts["fail"] == 0) {
		t.Errorf("healthy is %v, and it ends by %v", e.Healthy, got.Err)
	}
	if secret != "" && strings.Contains(got.Stdout+got.Stderr, secret) {
		t.Errorf("shows a secret: %s%s", got.Stdout, got.Stderr)
	}
	return e
}

// want makes sure that a check found something, with words in what it says.
func (e examined) want(t *testing.T, check, result string, words ...string) {
	t.Helper()
	for _, f := range e.Findings {
		if f.Check != check || f.Result != result {
			continue
		}
		for _, word := range words {
			if !strings.Contains(f.Message+" → "+f.Advice, word) {
				t.Errorf("%s: no %q in %+v", check, word, f)
			}
		}
		return
	}
	t.Errorf("%s: no finding is %s: %+v", check, result, e.Findings)
}

// failures are the checks that failed.
func (e examined) failures() string {
	var checks []string
	for _, f := range e.Findings {
		if f.Result == "fail" {
			checks = append(checks, f.Check)
		}
	}
	return strings.Join(checks, " ")
}

// With all well, by the server's configuration or by the server alone, each check
// finds so, or says why it does not know.
func TestDoctorOfTheHealthy(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version, rig.NewHtpasswd(t, "backref", "s3cret").RegistryConfig())
		dir := t.TempDir()
		password, token := filepath.Join(dir, "password"), filepath.Join(dir, "token")
		for path, content := range map[string]string{password: "s3cret\n", token: "t0ken\n"} {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		set := []string{
			"--set", "upstream.service.username=backref", "--set", "upstream.service.passwordFile=" + password, "--set", "admin.tokenFile=" + token,
			"--set", "log.delay=0",
		}
		backref := rig.NewBackref(t, registry.URL, set...)
		signed := []string{"Authorization", "Basic YmFja3JlZjpzM2NyZXQ=", "Content-Type"}
		referrer := rig.Artifact("text/spdx+json", "sbom", rig.Image("app").Descriptor())
		for _, repository := range []string{"app", "other"} {
			upload := rig.Do(t, http.MethodPost, backref.URL+"/v2/"+repository+"/blobs/uploads/", nil, signed[:2]...).Want(t, http.StatusAccepted)
			rig.Do(t, http.MethodPut, upload.Location+"&digest="+digest.FromString(rig.Empty).String(), []byte(rig.Empty),
				append(signed, "application/octet-stream")...).Want(t, http.StatusCreated)
			rig.Do(t, http.MethodPut, backref.URL+"/v2/"+repository+"/manifests/"+referrer.Digest().String(), referrer.Bytes(),
				append(signed, referrer.MediaType)...).Want(t, http.StatusCreated)
		}
		args := append([]string{
			"--upstream", registry.URL, "--index", backref.Index, "--listen", backref.Host, "--admin-listen", strings.TrimPrefix(backref.AdminURL, "http://"),
		}, set...)
		e := examine(t, "s3cret", args...)
		for _, check := range []string{
			"config", "config.passwords", "config.admin", "config.proxies", "config.hidden-tags", "config.service",
			"server.answers", "server.ready", "server.version", "server.config", "server.listen",
			"upstream.answers", "upstream.tls", "upstream.realm", "upstream.sign-in", "upstream.catalog", "upstream.pages",
			"upstream.referrers", "clock.upstream", "disk.space", "disk.kind", "disk.index", "files.secrets",
			"index.file", "index.intents", "index.held",
		} {
			e.want(t, check, "ok")
		}
		e.want(t, "upstream.token", "not checked")
		e.want(t, "events", "warn", "2 pushes", "/events")
		e.want(t, "index.file", "ok", "held by the server")

		alone := examine(t, "t0ken", "--admin", backref.AdminURL, "--admin-token-file", token)
		alone.want(t, "server.ready", "ok")
		alone.want(t, "index.held", "ok")
		alone.want(t, "upstream.answers", "not checked", "upstream.url is not set")
		alone.want(t, "disk.space", "not checked", "where the server is")

		refused := examine(t, "t0ken", "--admin", backref.AdminURL)
		refused.want(t, "index.file", "fail", "--admin-token-file")

		backref.Stop()
		without := examine(t, "s3cret", args...)
		without.want(t, "server.answers", "not checked")
		without.want(t, "index.file", "ok", "format 4")
		without.want(t, "index.intents", "ok")
		without.want(t, "events", "not checked")
		if failed := without.failures() + e.failures() + alone.failures(); failed != "" {
			t.Errorf("failures of %s", failed)
		}
	})
}

// Each thing that is wrong is told by one check, with what mends it, and what can't
// be looked at for it is not called well.
func TestDoctorOfTheUnwell(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution3)
	passwords := rig.NewRegistry(t, rig.Distribution2, rig.NewHtpasswd(t, "backref", "s3cret").RegistryConfig())
	tokens := rig.NewTokenServer(t)
	tokens.SetLifetime(30 * time.Second)
	tokens.SetUser("backref", rig.User{Password: "s3cret", Grants: map[string][]string{"*": {"pull"}, "registry:catalog": {"*"}}})
	guarded := rig.NewRegistry(t, rig.Distribution3, tokens.RegistryConfig(""))
	dir := t.TempDir()
	open, missing, damaged := filepath.Join(dir, "open"), filepath.Join(dir, "missing"), filepath.Join(dir, "damaged.db")
	for path, content := range map[string]string{open: "wr0ng", damaged: strings.Repeat("no index ", 10_000)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Past the umask.
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	cert, key := expiring(t, time.Hour)
	asBackref := func(password string) []string {
		path := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(path, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"upstream.service.username=backref", "upstream.service.passwordFile=" + path}
	}
	for name, c := range map[string]struct {
		upstream string
		set      []string
		check    string
		result   string
		words    []string
		// then are checks that can't be made for it.
		then []string
	}{
		"a wrong prefix":                 {registry.URL + "/wrong", nil, "upstream.answers", "fail", []string{"upstream.url"}, []string{"upstream.catalog", "clock.upstream", "upstream.sign-in"}},
		"a wrong password":               {passwords.URL, asBackref("wr0ng"), "upstream.sign-in", "fail", []string{"upstream.service"}, []string{"upstream.catalog", "upstream.pages"}},
		"no password":                    {passwords.URL, nil, "upstream.catalog", "warn", []string{"--repositories-from"}, []string{"upstream.referrers"}},
		"a token service here":           {guarded.URL, asBackref("s3cret"), "upstream.realm", "warn", []string{"auth.realm", "127.0.0.1"}, nil},
		"tokens that end soon":           {guarded.URL, asBackref("s3cret"), "upstream.token", "warn", []string{"30s"}, nil},
		"a secret for everyone":          {registry.URL, []string{"upstream.service.username=backref", "upstream.service.passwordFile=" + open}, "files.secrets", "warn", []string{"chmod o-rwx " + open}, nil},
		"a secret that is gone":          {registry.URL, []string{"auth.mode=service", "upstream.service.anonymous=true", "auth.htpasswdFile=" + missing, `auth.rules=[{repositories: ["**"], users: ["*"], allow: [pull]}]`}, "files.secrets", "fail", []string{"auth.htpasswdFile"}, nil},
		"a certificate to renew":         {registry.URL, []string{"server.tls.certFile=" + cert, "server.tls.keyFile=" + key}, "server.tls", "warn", []string{"renew it", "expires in 59 minutes"}, nil},
		"a certificate for another name": {registry.URL, []string{"server.tls.certFile=" + cert, "server.tls.keyFile=" + key, "server.publicURL=https://r.example.com"}, "server.tls", "fail", []string{"server.publicURL"}, nil},
		"a key of another":               {registry.URL, []string{"admin.tls.certFile=" + cert, "admin.tls.keyFile=" + open}, "admin.tls", "fail", []string{"admin.tls.keyFile"}, nil},
		"no second registry":             {registry.URL, []string{`referrers.upstream=[{repositories: ["**"], url: "http://127.0.0.1:1", service: {anonymous: true}}]`}, "upstream.beside", "fail", []string{"referrers.upstream[0].url"}, nil},
		"no index":                       {registry.URL, []string{"index.path=" + damaged}, "index.file", "fail", []string{"backref index rebuild"}, []string{"index.held"}},
		"no folder":                      {registry.URL, []string{"index.path=" + missing + "/backref.db"}, "disk.space", "fail", []string{"index.path"}, []string{"index.held"}},
		"nothing that can be used":       {registry.URL, []string{"limits.rate=-1", "server.listen=x"}, "config", "fail", []string{"limits.rate"}, []string{"everything else"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"--upstream", c.upstream, "--admin-listen", "127.0.0.1:9"}
			for _, setting := range c.set {
				args = append(args, "--set", setting)
			}
			e := examine(t, "wr0ng", args...)
			e.want(t, c.check, c.result, c.words...)
			for _, check := range c.then {
				e.want(t, check, "not checked")
			}
			if failed := e.failures(); c.result == "fail" && !strings.Contains(failed, c.check) || c.result != "fail" && strings.Contains(failed, c.check) {
				t.Errorf("failures of %q", failed)
			}
		})
	}
}

// The registry's certificate is told with its end and its authority, and its clock
// where it goes wrong.
func TestDoctorLooksAtCertificateAndClockOfTheRegistry(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution3)
	target, err := url.Parse(registry.URL)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := expiring(t, time.Hour)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	front := httputil.NewSingleHostReverseProxy(target)
	front.ModifyResponse = func(r *http.Response) error {
		r.Header.Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		return nil
	}
	secure := httptest.NewUnstartedServer(front)
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	e := examine(t, "", "--upstream", secure.URL, "--admin-listen", "127.0.0.1:9", "--set", "upstream.tls.caFile="+cert)
	e.want(t, "upstream.answers", "ok")
	e.want(t, "upstream.tls", "warn", "127.0.0.1", "renew it at the registry")
	e.want(t, "clock.upstream", "warn", "1h0m", "NTP")
	unknown := examine(t, "", "--upstream", secure.URL, "--admin-listen", "127.0.0.1:9")
	unknown.want(t, "upstream.answers", "fail", "upstream.tls.caFile")
	unknown.want(t, "upstream.tls", "not checked")
}

// expiring writes a certificate for 127.0.0.1 that holds for a time from now, after
// half a year, and its key.
func expiring(t *testing.T, left time.Duration) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-180 * 24 * time.Hour), NotAfter: time.Now().Add(left),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// An index in a database is looked at there, and no file is asked for.
func TestDoctorOfADatabase(t *testing.T) {
	registry, database := rig.NewRegistry(t, rig.Distribution3), rig.NewPostgres(t, false)
	args := []string{"--upstream", registry.URL, "--admin-listen", "127.0.0.1:9", "--set", "index.postgres.url=" + database.URL}
	e := examine(t, "", args...)
	e.want(t, "index.database", "ok", "backref serve makes it")
	e.want(t, "clock.database", "ok")
	backref := rig.NewReplica(t, registry.URL, database)
	args[3] = strings.TrimPrefix(backref.AdminURL, "http://")
	e = examine(t, "", args...)
	e.want(t, "index.database", "ok", "has the index")
	e.want(t, "index.held", "ok")
	for _, f := range e.Findings {
		if strings.HasPrefix(f.Check, "disk.") || f.Check == "index.file" {
			t.Errorf("%+v", f)
		}
	}
	if err := database.Kill(); err != nil {
		t.Fatal(err)
	}
	e = examine(t, "", args...)
	e.want(t, "index.database", "fail", "index.postgres.url")
	e.want(t, "clock.database", "not checked")
}
