package requirements

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
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
)

// certificate writes a certificate for 127.0.0.1 and its key, and returns the
// pool that trusts it.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return certFile, keyFile, pool
}

// B1: over TLS clients may speak HTTP/1.1 or HTTP/2, and links lead back.
func TestB1TLS(t *testing.T) {
	certFile, keyFile, pool := certificate(t)
	registry := rig.NewRegistry(t, rig.Distribution2)
	backref := rig.NewBackref(t, registry.URL, "--set", "server.tls.certFile="+certFile, "--set", "server.tls.keyFile="+keyFile)
	for _, http2 := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: http2}
		client := &http.Client{Transport: transport}
		content := strings.Repeat("content of a blob ", 100_000)
		begun, err := client.Post("https://"+backref.Host+"/v2/app/blobs/uploads/", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = begun.Body.Close()
		location, err := begun.Location()
		if err != nil || begun.StatusCode != http.StatusAccepted || (begun.ProtoMajor == 2) != http2 || !strings.HasPrefix(location.String(), "https://"+backref.Host+"/") {
			t.Fatalf("%s %s, Location %q, %v", begun.Proto, begun.Status, location, err)
		}
		patch, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, location.String(), strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		patched, err := client.Do(patch)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, patched.Body)
		_ = patched.Body.Close()
		if patched.StatusCode != http.StatusAccepted {
			t.Errorf("%s %s", patched.Proto, patched.Status)
		}
		transport.CloseIdleConnections()
	}
}
