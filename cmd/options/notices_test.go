package options

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/config"
)

// The URL of a webhook may be in a file, and then is in no error.
func TestURLsOfWebhooks(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := file("secret", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
	plain := &url.URL{Scheme: "https", Host: "hook.example"}
	for _, c := range []struct{ content, want, reason string }{
		{"", plain.String(), ""},
		{"https://hook.example/a?token=t0ken\n", "https://hook.example/a?token=t0ken", ""},
		{"ftp://hook.example/t0ken", "", "need one URL that begins with http:// or https:// and a host"},
		{"https:///t0ken", "", "need one URL"},
		{"https://a.example/t0ken\nhttps://b.example/t0ken", "", "need one URL"},
		{"https://me:t0ken@hook.example", "", "may have no user and password"},
		{"https://hook.example/#t0ken", "", "has a fragment"},
		{"https://hook.example/" + strings.Repeat("t0ken", 1000), "", "is larger than 4096 bytes"},
	} {
		hook := config.Webhook{Name: "scans", URL: plain, SecretFile: secret}
		if c.content != "" {
			hook.URL, hook.URLFile = nil, file("url", c.content)
		}
		got, err := Notices(config.Notices{Webhooks: []config.Webhook{hook}})
		switch {
		case c.reason == "" && (err != nil || got.Hooks[0].URL.String() != c.want):
			t.Errorf("%q: %v", c.content, err)
		case c.reason != "" && (err == nil || !strings.Contains(err.Error(), "notices.webhooks[0].urlFile: ") || !strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), "t0ken")):
			t.Errorf("%q: %v, want %s", c.content, err, c.reason)
		}
	}
}
