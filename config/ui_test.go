package config

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// Each way of signing in that can't work is refused, with the reason.
func TestUI(t *testing.T) {
	issuer := &url.URL{Scheme: "https", Host: "login.example"}
	right := Default()
	right.Upstream.URL, right.Upstream.Service.Anonymous = &url.URL{Scheme: "https", Host: "registry.example"}, true
	right.Auth.Mode, right.Auth.Rules = AuthService, []Rule{{Repositories: []string{"**"}, Anonymous: true, Allow: []string{"pull"}}}
	right.Auth.Issuers = []Issuer{{URL: issuer, Audience: "backref"}}
	right.UI.Public, right.UI.OIDC = true, UIOIDC{Issuer: issuer, ClientID: "pages"}
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"right":         {func(*Config) {}, ""},
		"passthrough":   {func(c *Config) { c.Auth = Default().Auth }, "ui.oidc: needs auth.mode service: in passthrough"},
		"not public":    {func(c *Config) { c.UI.Public = false }, "ui.oidc: has no effect without ui.public"},
		"other issuer":  {func(c *Config) { c.UI.OIDC.Issuer = &url.URL{Scheme: "https", Host: "other.example"} }, "ui.oidc.issuer: has to be one of auth.issuers"},
		"no client":     {func(c *Config) { c.UI.OIDC.ClientID = "" }, "ui.oidc.clientID: is needed"},
		"client alone":  {func(c *Config) { c.UI.OIDC.Issuer = nil }, "ui.oidc.issuer: is needed"},
		"long sessions": {func(c *Config) { c.UI.SessionTTL = 25 * time.Hour }, "ui.sessionTTL: must be 24h at most"},
	} {
		cfg := right
		test.change(&cfg)
		var found []string
		for _, m := range validate(&cfg) {
			found = append(found, m.path+": "+m.reason)
		}
		if all := strings.Join(found, "\n"); test.want == "" && all != "" || !strings.Contains(all, test.want) {
			t.Errorf("%s: %q, want %q", name, all, test.want)
		}
	}
}
