package main

import (
	"bytes"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/config"
)

// What others can see of a plain listener is said at the start, unless it is said
// where TLS ends.
func TestExposedListenersAreTold(t *testing.T) {
	users := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(users, []byte("ann:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	signIn := func(cfg *config.Config) {
		cfg.Auth.Mode, cfg.Auth.HtpasswdFile, cfg.Upstream.Service.Anonymous = config.AuthService, users, true
		cfg.Auth.Rules = []config.Rule{{Repositories: []string{"**"}, Users: []string{"*"}, Allow: []string{"pull"}}}
	}
	everywhere := func(cfg *config.Config) { cfg.Server.Listen = "0.0.0.0:0" }
	trusting := func(cfg *config.Config) {
		cfg.Server.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	}
	const clear, operators = "come in the clear", "set admin.tokenFile"
	for name, c := range map[string]struct {
		upstream  string
		configure []func(*config.Config)
		want      string
	}{
		"this machine alone":          {"https://127.0.0.1:9", nil, ""},
		"a registry by HTTPS":         {"https://127.0.0.1:9", []func(*config.Config){everywhere}, clear},
		"a registry by HTTP":          {"http://127.0.0.1:9", []func(*config.Config){everywhere}, ""},
		"sign-in here":                {"http://127.0.0.1:9", []func(*config.Config){everywhere, signIn}, clear},
		"sign-in on this machine":     {"http://127.0.0.1:9", []func(*config.Config){signIn}, ""},
		"TLS ends before":             {"https://127.0.0.1:9", []func(*config.Config){everywhere, trusting}, ""},
		"TLS ends here":               {"https://127.0.0.1:9", []func(*config.Config){everywhere, func(cfg *config.Config) { cfg.Server.TLS, _ = certificate(t) }}, ""},
		"operators without a token":   {"http://127.0.0.1:9", []func(*config.Config){func(cfg *config.Config) { cfg.Admin.Listen = "0.0.0.0:0" }}, operators},
		"operators that have a token": {"http://127.0.0.1:9", []func(*config.Config){func(cfg *config.Config) { cfg.Admin.Listen, cfg.Admin.TokenFile = "0.0.0.0:0", users }}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := configFor(t, c.upstream)
			for _, set := range c.configure {
				set(&cfg)
			}
			var log bytes.Buffer
			s := startLogging(t, cfg, &log)
			s.stop()
			if err := s.wait(t); err != nil {
				t.Error(err)
			}
			for _, said := range []string{clear, operators} {
				if strings.Contains(log.String(), said) != (said == c.want) {
					t.Errorf("want %q in the log: %s", c.want, log.String())
				}
			}
		})
	}
}

// The admin listener may be at any address. From elsewhere health and metrics are
// open, and all else is for those who have the token, or for nobody.
func TestOperatorsElsewhere(t *testing.T) {
	here := addressOf(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]struct {
		status int
		says   string
	}{"": {http.StatusForbidden, "set admin.tokenFile"}, token: {http.StatusUnauthorized, "send the token of admin.tokenFile"}} {
		cfg := configFor(t, "http://127.0.0.1:9")
		cfg.Admin.Listen, cfg.Admin.TokenFile = net.JoinHostPort(here, "0"), file
		s := start(t, cfg)
		base := "http://" + s.admin.Addr().String()
		for _, path := range []string{"/livez", "/readyz", "/metrics"} {
			if status, body := get(http.DefaultClient, base+path); status != http.StatusOK {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
		if status, body := get(http.DefaultClient, base+"/admin/stats"); status != want.status || !strings.Contains(body, want.says) {
			t.Errorf("an operator without a token: %d %s", status, body)
		}
		if code, output := command(t, "health", "--admin", base); code != 0 {
			t.Errorf("a probe: %d %s", code, output)
		}
		if file != "" {
			if code, output := command(t, "index", "stats", "--admin", base, "--admin-token-file", file); code != 0 {
				t.Errorf("an operator with the token: %d %s", code, output)
			}
		}
		s.stop()
		if err := s.wait(t); err != nil {
			t.Error(err)
		}
	}
}

// addressOf returns an address of this machine that is not loopback.
func addressOf(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if ip, is := address.(*net.IPNet); is && ip.IP.IsGlobalUnicast() {
			return ip.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}
