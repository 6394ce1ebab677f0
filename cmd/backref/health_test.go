package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backref/backref/config"
)

// command runs a command line and returns its exit code and all that it wrote.
func command(t *testing.T, args ...string) (code int, output string) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), args, nil, &out, &out)
	return code, out.String()
}

func TestHealth(t *testing.T) {
	var status atomic.Int64
	status.Store(http.StatusOK)
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(registry.Close)
	server, admin := issue(t, t.TempDir(), 1), issue(t, t.TempDir(), 2)
	cfg := configFor(t, registry.URL)
	cfg.Server.TLS = config.ServerTLS{CertFile: server.cert, KeyFile: server.key}
	cfg.Admin.TLS = config.ServerTLS{CertFile: admin.cert, KeyFile: admin.key}
	s := start(t, cfg)
	address := s.admin.Addr().String()
	health := func(more ...string) (int, string) {
		return command(t, append([]string{
			"health", "--admin-listen", address,
			"--set", "admin.tls.certFile=" + admin.cert, "--set", "admin.tls.keyFile=" + admin.key,
			"--set", "server.tls.certFile=" + server.cert, "--set", "server.tls.keyFile=none",
		}, more...)...)
	}
	// As from another container, which has the certificates and no keys.
	if code, output := command(t, "health", "--admin", "https://"+address, "--set", "admin.client.caFile="+admin.cert); code != 0 {
		t.Errorf("from elsewhere: %d %s", code, output)
	}
	front := []string{"--registry", "https://" + s.front.Addr().String()}

	for _, answer := range []int64{http.StatusOK, http.StatusUnauthorized} {
		status.Store(answer)
		for _, more := range [][]string{nil, {"--admin", "https://" + address}, front} {
			if code, output := health(more...); code != 0 || output != "ready\n" {
				t.Errorf("health %v, the registry answers %d: %d %s", more, answer, code, output)
			}
		}
	}
	if code, output := health("--exclude", "index", "--exclude", "upstream"); code != 0 || output != "ready\n" {
		t.Errorf("with parts left out: %d %s", code, output)
	}
	status.Store(http.StatusBadGateway)
	if code, output := health(front...); code != exitFailure || !strings.Contains(output, "/v2/ answers 502") {
		t.Errorf("the registry is broken: %d %s", code, output)
	}
	if code, output := health(); code != 0 {
		t.Errorf("a broken registry makes backref unready: %d %s", code, output)
	}
	now := time.Now()
	s.draining.Store(&now)
	if code, output := health(); code != exitFailure || !strings.Contains(output, "503 Service Unavailable: shutting down") {
		t.Errorf("shutting down: %d %s", code, output)
	}
	if code, output := health("--live"); code != 0 || output != "alive\n" {
		t.Errorf("it lives: %d %s", code, output)
	}
	if code, output := health("--live", "--exclude", "index"); code != exitUsage {
		t.Errorf("both: %d %s", code, output)
	}
	s.stop()
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
	for _, more := range [][]string{nil, {"--live"}} {
		if code, _ := health(more...); code != exitFailure {
			t.Errorf("nobody listens: %d", code)
		}
	}
}
