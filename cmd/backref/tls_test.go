package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backref/backref/config"
)

// issued is a certificate for 127.0.0.1 that signs itself, in files.
type issued struct {
	cert, key string
	parsed    *x509.Certificate
	pair      tls.Certificate
}

func issue(t *testing.T, dir string, serial int64) issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	i := issued{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	write(t, i.cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, i.key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	if i.parsed, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if i.pair, err = tls.LoadX509KeyPair(i.cert, i.key); err != nil {
		t.Fatal(err)
	}
	return i
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func pool(certificates ...*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certificates {
		pool.AddCert(c)
	}
	return pool
}

// shake connects and returns the serial number of the server's certificate.
func shake(address string, speak *tls.Config) (int64, error) {
	conn, err := tls.Dial("tcp", address, speak)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /livez HTTP/1.0\r\n\r\n"); err != nil {
		return 0, err
	}
	// What the server thinks of the client's certificate comes with its answer.
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		return 0, err
	}
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
}

// logged is a log that is kept. It may be written and read at once.
type logged struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (l *logged) Write(line []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(line)
}

func (l *logged) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

// A certificate is read again when it changes. One that can't be used leaves
// the last in place.
func TestCertificatesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	first := issue(t, dir, 1)
	cfg := configFor(t, "http://127.0.0.1:9")
	cfg.Server.TLS = config.ServerTLS{CertFile: first.cert, KeyFile: first.key}
	cfg.Reload.Interval = 10 * time.Millisecond
	log := &logged{}
	s := startLogging(t, cfg, log)
	serial := func() int64 {
		got, err := shake(s.front.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := serial(); got != 1 {
		t.Fatalf("certificate %d", got)
	}
	write(t, first.cert, "no certificate")
	eventually(t, "the file that holds no certificate is looked at", func() bool {
		if got := serial(); got != 1 {
			t.Errorf("certificate %d beside a file that holds none", got)
		}
		return strings.Contains(log.String(), `"error":"server.tls: `)
	})
	if _, err := s.lastReload(); err == nil {
		t.Error("the last reload is said to have gone well")
	}
	if part := s.configurationPart(); part.OK || part.Required || part.Message == "" || part.Since.IsZero() {
		t.Errorf("readiness says %+v", part)
	}
	issue(t, dir, 2)
	eventually(t, "the new certificate is shown", func() bool { return serial() == 2 })
	eventually(t, "the last reload went well", func() bool {
		_, err := s.lastReload()
		return err == nil
	})
}

// Clients prove themselves with certificates on either listener.
func TestClientCertificates(t *testing.T) {
	server, good, bad := issue(t, t.TempDir(), 1), issue(t, t.TempDir(), 2), issue(t, t.TempDir(), 3)
	for auth, want := range map[string]struct{ none, bad bool }{
		config.ClientAuthNone: {none: true, bad: true}, config.ClientAuthRequest: {none: true}, config.ClientAuthRequire: {},
	} {
		cfg := configFor(t, "http://127.0.0.1:9")
		cfg.Server.TLS = config.ServerTLS{CertFile: server.cert, KeyFile: server.key, ClientAuth: auth, ClientCAFile: good.cert, MinVersion: config.TLS13}
		cfg.Admin.TLS = cfg.Server.TLS
		s := start(t, cfg)
		for _, l := range []listener{s.front, s.admin} {
			for name, c := range map[string]struct {
				certificates []tls.Certificate
				want         bool
			}{
				"none": {want: want.none}, "bad": {[]tls.Certificate{bad.pair}, want.bad}, "good": {[]tls.Certificate{good.pair}, true},
			} {
				speak := &tls.Config{RootCAs: pool(server.parsed), MinVersion: tls.VersionTLS12}
				speak.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if len(c.certificates) == 0 {
						return &tls.Certificate{}, nil
					}
					return &c.certificates[0], nil
				}
				if _, err := shake(l.Addr().String(), speak); (err == nil) != c.want {
					t.Errorf("clientAuth %s, %s certificate: %v", auth, name, err)
				}
			}
			old := &tls.Config{RootCAs: pool(server.parsed), Certificates: []tls.Certificate{good.pair}, MaxVersion: tls.VersionTLS12}
			if _, err := shake(l.Addr().String(), old); err == nil {
				t.Error("TLS 1.2 is spoken below server.tls.minVersion: 1.3")
			}
		}
		s.stop()
		if err := s.wait(t); err != nil {
			t.Error(err)
		}
	}
}

// The command line speaks TLS to the server that holds the index, and shows
// its certificate.
func TestAdminClientSpeaksTLS(t *testing.T) {
	server, operator := issue(t, t.TempDir(), 1), issue(t, t.TempDir(), 2)
	cfg := configFor(t, "http://127.0.0.1:9")
	cfg.Admin.TLS = config.ServerTLS{CertFile: server.cert, KeyFile: server.key, ClientAuth: config.ClientAuthRequire, ClientCAFile: operator.cert}
	s := start(t, cfg)
	base := "https://" + s.admin.Addr().String()
	if _, err := reachServer(t.Context(), cfg, base, reachTimeout); err == nil {
		t.Error("it got in without a certificate")
	}
	cfg.Admin.Client.CertFile, cfg.Admin.Client.KeyFile = operator.cert, operator.key
	for _, authorities := range []string{"", server.cert} {
		cfg.Admin.Client.CAFile = authorities
		client, err := reachServer(t.Context(), cfg, base, reachTimeout)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Stats(t.Context()); err != nil {
			t.Error(err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
	cfg.Admin.Client.CAFile = operator.cert
	if _, err := reachServer(t.Context(), cfg, base, reachTimeout); err == nil {
		t.Error("it trusts a server that its authorities didn't sign for")
	}
}

// The registry is trusted by upstream.tls.caFile alone, and sees the
// certificate that it asks for.
func TestUpstreamTLS(t *testing.T) {
	mine := issue(t, t.TempDir(), 7)
	registry := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{}")
	}))
	registry.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(mine.parsed), MinVersion: tls.VersionTLS12}
	registry.Config.ErrorLog = nil
	registry.StartTLS()
	defer registry.Close()
	authorities := filepath.Join(t.TempDir(), "ca.pem")
	write(t, authorities, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: registry.Certificate().Raw})))
	for _, c := range []struct {
		tls  config.UpstreamTLS
		want int
	}{
		{config.UpstreamTLS{}, http.StatusBadGateway},
		{config.UpstreamTLS{CAFile: authorities}, http.StatusBadGateway},
		{config.UpstreamTLS{CertFile: mine.cert, KeyFile: mine.key}, http.StatusBadGateway},
		{config.UpstreamTLS{CAFile: authorities, CertFile: mine.cert, KeyFile: mine.key}, http.StatusOK},
	} {
		cfg := configFor(t, registry.URL)
		cfg.Upstream.TLS = c.tls
		s := start(t, cfg)
		if got, body := get(http.DefaultClient, "http://"+s.front.Addr().String()+"/v2/"); got != c.want {
			t.Errorf("%+v: %d %s", c.tls, got, body)
		}
		s.stop()
		if err := s.wait(t); err != nil {
			t.Error(err)
		}
	}
	for _, broken := range []config.UpstreamTLS{{CAFile: mine.key}, {CAFile: "missing"}, {CertFile: mine.key, KeyFile: mine.cert}} {
		cfg := configFor(t, registry.URL)
		cfg.Upstream.TLS = broken
		if _, err := newServer(t.Context(), cfg, io.Discard); err == nil {
			t.Errorf("it starts with %+v", broken)
		}
	}
}
