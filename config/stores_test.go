package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/config"
)

// Registries beside the first are read with all their sections, and their files are
// known.
func TestStores(t *testing.T) {
	cfg, err := config.Load(config.Sources{File: writeFile(t, `
upstream: {url: http://localhost:5000, cache: true}
referrers:
  upstream:
    - {repositories: ["team/**"], url: https://signatures.example.com, prefix: a/b, service: {username: u, passwordFile: /run/password}}
    - {repositories: ["**"], url: http://localhost:5000, prefix: referrers, service: {anonymous: true}, transfer: 1m}
  sources:
    - {repositories: ["**"], url: https://vendor.example.com, strip: mirror, tls: {caFile: /etc/ca.pem}}
`)})
	if err != nil {
		t.Fatal(err)
	}
	list := cfg.Referrers.Upstream
	if list[0].TransferTime() != 5*time.Minute || list[1].TransferTime() != time.Minute || list[0].Prefix != "a/b" || !cfg.Upstream.Cache {
		t.Errorf("%+v", list)
	}
	files := map[string]bool{}
	for _, file := range cfg.Files() {
		files[file.Key] = true
	}
	if !files["referrers.upstream[0].service.passwordFile"] || !files["referrers.sources[0].tls.caFile"] {
		t.Errorf("%v", files)
	}
}

func TestStoresThatAreWrong(t *testing.T) {
	const rest, service = "repositories: ['**'], url: 'http://localhost:5001'", ", service: {anonymous: true}"
	for _, test := range []struct{ key, list, want string }{
		{"referrers.upstream", "[{url: 'http://localhost:5001'" + service + "}]", "referrers.upstream[0].repositories: names no repositories"},
		{"referrers.upstream", "[{repositories: ['**']" + service + "}]", "referrers.upstream[0].url: is required"},
		{"referrers.upstream", "[{repositories: ['**'], url: 'http://localhost:5001/v2'" + service + "}]", "referrers.upstream[0].url: must not end in /v2"},
		{"referrers.upstream", "[{repositories: ['**'], url: 'http://localhost:5000'" + service + "}]", "referrers.upstream[0].url: is upstream.url"},
		{"referrers.upstream", "[{" + rest + "}]", "referrers.upstream[0].service: is needed"},
		{"referrers.upstream", "[{" + rest + service + ", prefix: A}]", `referrers.upstream[0].prefix: "A" can't begin`},
		{"referrers.upstream", "[{" + rest + service + ", prefix: a/}]", `referrers.upstream[0].prefix: "a/" can't begin`},
		{"referrers.upstream", "[{" + rest + service + "}, {" + rest + service + ", prefix: a}]", `referrers.upstream[1].prefix: "a" and "" of referrers.upstream[0] lie one below the other`},
		{"referrers.upstream", "[{" + rest + service + ", transfer: 1us}]", "referrers.upstream[0].transfer: 1µs is not"},
		{"referrers.upstream", "[{" + rest + ", service: {password: x}}]", "referrers.upstream[0].service.username: is needed"},
		{"referrers.sources", "[{" + rest + ", tls: {certFile: x, keyFile: y}}]", "referrers.sources[0].tls.certFile: has no effect"},
		{"referrers.sources", "[{" + rest + ", strip: /a}]", `referrers.sources[0].strip: "/a" can't begin`},
	} {
		flags := minimal()
		flags["upstream.url"], flags[test.key] = "http://localhost:5000", test.list
		if _, err := config.Load(config.Sources{Flags: flags}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.list, err, test.want)
		}
	}
}
