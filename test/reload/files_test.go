package reload

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
)

// issue writes a certificate for 127.0.0.1 that signs itself: first the key, so
// that for a moment they don't belong together.
func (p *place) issue(serial int64) {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		p.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	p.write("tls.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// connect opens a connection, and returns it with the serial number of the
// certificate that it was shown.
func (p *place) connect() (conn *tls.Conn, serial int64) {
	p.t.Helper()
	conn, err := tls.Dial("tcp", p.Host, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	return conn, conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// A new certificate is shown to who connects; connections go on with the one that
// they began with.
func TestANewCertificateIsShown(t *testing.T) {
	p := &place{t: t, dir: t.TempDir()}
	p.issue(1)
	p.Backref = rig.NewBackref(t, rig.NewRegistry(t, rig.Distribution3).URL, "--set", "reload.interval=20ms", "--set", "log.delay=0",
		"--set", "server.tls.certFile="+p.path("tls.crt"), "--set", "server.tls.keyFile="+p.path("tls.key"))
	old, serial := p.connect()
	if serial != 1 {
		t.Fatalf("certificate %d", serial)
	}
	p.issue(2)
	p.eventually("the new one is shown", func() bool {
		conn, serial := p.connect()
		_ = conn.Close()
		return serial == 2
	})
	if _, err := io.WriteString(old, "GET /v2/ HTTP/1.1\r\nHost: backref\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(old), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Errorf("by the old connection: %d", resp.StatusCode)
	}
	p.write("tls.crt", "no certificate")
	p.eventually("a wrong one is told of", func() bool { return p.said("that of before stays", "server.tls: ") >= 1 })
	if _, serial := p.connect(); serial != 2 {
		t.Errorf("certificate %d beside a file that holds none", serial)
	}
}

// The operators' token, and the service's password for the registry, are those of
// their files now.
func TestSecretsInFiles(t *testing.T) {
	p := &place{t: t, dir: t.TempDir()}
	users := rig.NewHtpasswd(t)
	users.Set("backref", "first-s3cret")
	registry := rig.NewRegistry(t, rig.Distribution3, users.RegistryConfig())
	p.write("token", "token-1-s3cret\n")
	p.write("password", "first-s3cret\n")
	p.config = p.path("backref.yaml")
	p.users("ann", annPassword)
	p.write("backref.yaml", fmt.Sprintf("upstream: {service: {username: backref, passwordFile: %s}}\nadmin: {tokenFile: %s}\nauth:\n  mode: service\n  htpasswdFile: %s\n%s",
		p.path("password"), p.path("token"), p.path("users"), pullAndPush))
	p.Backref = rig.NewBackref(t, registry.URL, "--config", p.config, "--set", "reload.interval=20ms", "--set", "log.delay=0")
	stats := func(token string) int {
		return rig.Do(t, http.MethodGet, p.AdminURL+"/admin/stats", nil, "Authorization", "Bearer "+token).Status
	}
	if got := stats("token-1-s3cret"); got == http.StatusUnauthorized {
		t.Fatalf("the token is refused: %d", got)
	}
	if got := p.push(); got != http.StatusAccepted {
		t.Fatalf("a push: %d", got)
	}
	p.write("token", "token-2-s3cret\n")
	p.eventually("the new token counts", func() bool { return stats("token-2-s3cret") != http.StatusUnauthorized })
	if got := stats("token-1-s3cret"); got != http.StatusUnauthorized {
		t.Errorf("the old token: %d", got)
	}
	users.Set("backref", "second-s3cret")
	p.eventually("the registry refuses the old password", func() bool { return p.push() == http.StatusBadGateway })
	p.write("password", "second-s3cret\n")
	p.eventually("the new password counts", func() bool { return p.push() == http.StatusAccepted })
	if p.said("s3cret") != 0 {
		t.Error("the log shows a secret")
	}
}
