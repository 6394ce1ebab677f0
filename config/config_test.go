package config_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// minimal is the flag without which nothing is valid.
func minimal() map[string]string {
	return map[string]string{"upstream.url": "http://localhost:5000"}
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backref.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	file := writeFile(t, "server: {listen: ':1'}\nindex: {path: file.db}\nlimits:\n  manifestSize: 1MiB\n")
	flags := minimal()
	flags["server.listen"] = ":3"
	cfg, err := config.Load(config.Sources{
		File:    file,
		Environ: []string{"BACKREF_SERVER_LISTEN=:2", "BACKREF_INDEX_PATH=env.db", "HOME=/root"},
		Flags:   flags,
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Server.Listen != ":3" || cfg.Index.Path != "env.db" || cfg.Limits.ManifestSize != 1<<20 {
		t.Errorf("got %q %q %s", cfg.Server.Listen, cfg.Index.Path, cfg.Limits.ManifestSize)
	}
	if cfg.Permissions.CacheTTL != 10*time.Second {
		t.Errorf("a key that nobody set is %s", cfg.Permissions.CacheTTL)
	}
}

func TestEveryTypeIsRead(t *testing.T) {
	cfg, err := config.Load(config.Sources{File: writeFile(t, `
upstream:
  url: https://registry.example.com/base
  timeouts: {connect: 2s}
server:
  trustedProxies: [10.0.0.0/8, 192.0.2.1, "2001:db8::1"]
limits: {tagEntries: 7, responseSize: 2MB}
referrers: {recheckTag: 0s}
log: {level: debug}
`)})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Upstream.URL.String() != "https://registry.example.com/base" || cfg.Upstream.Timeouts.Connect != 2*time.Second ||
		cfg.Limits.TagEntries != 7 || cfg.Limits.ResponseSize != 2_000_000 || cfg.Referrers.RecheckTag != 0 || cfg.Log.Level != "debug" {
		t.Errorf("got %+v", cfg)
	}
	var proxies []string
	for _, prefix := range cfg.Server.TrustedProxies {
		proxies = append(proxies, prefix.String())
	}
	if got := strings.Join(proxies, " "); got != "10.0.0.0/8 192.0.2.1/32 2001:db8::1/128" {
		t.Errorf("trusted proxies %s", got)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, c := range []struct {
		name    string
		file    string
		environ []string
		flags   map[string]string
		want    []string
	}{
		{"no upstream", "", nil, map[string]string{},
			[]string{"upstream.url: is required; set it in the file, by BACKREF_UPSTREAM_URL, or by --upstream"}},
		{"unknown key", "upstream:\n  timeouts:\n    conect: 1s\n", nil, minimal(),
			[]string{"FILE:3: upstream.timeouts.conect: unknown key (did you mean upstream.timeouts.connect?)"}},
		{"unknown section", "upstrem: {}\n", nil, minimal(), []string{"FILE:1: upstrem: unknown key (did you mean upstream?)"}},
		{"several at once", "log: {level: loud}\nlimits: {manifestSize: 4 apples}\n", nil, minimal(), []string{
			`FILE:1: log.level: "loud" is none of debug, info, warn, error`,
			`FILE:2: limits.manifestSize: "4 apples" is not a size such as 4MiB`}},
		{"given twice", "log: {level: info}\nlog: {level: warn}\n", nil, minimal(), []string{"FILE:2: log: given twice"}},
		{"no value", "index:\n  path:\n", nil, minimal(), []string{"FILE:2: index.path: has no value; leave the key out for its default"}},
		{"section as value", "index: x\n", nil, minimal(), []string{"FILE:1: index: need keys and values"}},
		{"value as section", "index: {path: {a: b}}\n", nil, minimal(), []string{"FILE:1: index.path: need a plain value"}},
		{"alias", "index: &a {path: x}\nlog: *a\n", nil, minimal(), []string{"FILE:2: log: need keys and values"}},
		{"two documents", "index: {path: x}\n---\nindex: {path: y}\n", nil, minimal(), []string{"FILE: holds more than one YAML document"}},
		{"environment", "", []string{"BACKREF_LIMITS_TAG_ENTRIES=many", "BACKREF_LIMIT=1", "BACKREF_LIMITS_TAGENTRIES=1"}, minimal(), []string{
			"BACKREF_LIMIT: unknown environment variable",
			"BACKREF_LIMITS_TAGENTRIES: unknown environment variable (did you mean BACKREF_LIMITS_TAG_ENTRIES?)",
			`BACKREF_LIMITS_TAG_ENTRIES: limits.tagEntries: "many" is not a whole number`}},
		{"flag", "", nil, map[string]string{"upstream.url": "http://x", "a.b": "c"}, []string{"flag: a.b: unknown key"}},
		{"password in URL", "", nil, map[string]string{"upstream.url": "http://user:secret@x"},
			[]string{"flag: upstream.url: must not hold a user name or password"}},
		{"password in what is hardly a URL", "", nil, map[string]string{"upstream.url": "user:secret@x"},
			[]string{"flag: upstream.url: must not hold a user name or password"}},
		{"password in what is no URL", "", nil, map[string]string{"upstream.url": "http://user:%secret@x"},
			[]string{"flag: upstream.url: must not hold a user name or password"}},
		{"URL without a host", "", nil, map[string]string{"upstream.url": "http://:5000"},
			[]string{`flag: upstream.url: "http://:5000" is not a URL that begins with http:// or https:// and a host`}},
		{"URL with a query", "", nil, map[string]string{"upstream.url": "http://x/?y"},
			[]string{"flag: upstream.url: must not have a query or fragment"}},
		{"URL with a wild port", "", nil, map[string]string{"upstream.url": "http://x:70000"},
			[]string{`flag: upstream.url: "http://x:70000" has no port from 0 to 65535`}},
		{"URL of the API", "", nil, map[string]string{"upstream.url": "http://x/v2/"},
			[]string{"flag: upstream.url: must not end in /v2: it is added to every request"}},
		{"address with a zone", "", []string{"BACKREF_SERVER_TRUSTED_PROXIES=fe80::1%eth0"}, minimal(),
			[]string{`BACKREF_SERVER_TRUSTED_PROXIES: server.trustedProxies: "fe80::1%eth0" is neither a CIDR prefix nor an address`}},
		{"address that never matches", "", []string{"BACKREF_SERVER_TRUSTED_PROXIES=::ffff:10.0.0.1"}, minimal(),
			[]string{`BACKREF_SERVER_TRUSTED_PROXIES: server.trustedProxies: "::ffff:10.0.0.1" is IPv4 in the form of IPv6: write it as IPv4`}},
		{"no URL", "", nil, map[string]string{"upstream.url": "localhost:5000"},
			[]string{`flag: upstream.url: "localhost:5000" is not a URL that begins with http:// or https:// and a host`}},
		{"name of a registry", "upstream: {namespaces: [https://registry.example.com]}\n", nil, minimal(),
			[]string{`FILE:1: upstream.namespaces: "https://registry.example.com" is not a host such as registry.example.com or localhost:5000`}},
		{"unknown transport", "upstream: {transport: fast}\n", nil, minimal(),
			[]string{`FILE:1: upstream.transport: "fast" is none of own, standard`}},
		{"prefix", "server: {trustedProxies: [10.0.0.0/33]}\n", nil, minimal(),
			[]string{`FILE:1: server.trustedProxies: "10.0.0.0/33" is neither a CIDR prefix nor an address`}},
		{"amounts", "limits: {tagEntries: 0, upstreamQueries: -1}\nupstream: {timeouts: {query: 5ns}}\n", nil, minimal(), []string{
			"FILE:2: upstream.timeouts.query: 5ns is shorter than a millisecond",
			"FILE:1: limits.tagEntries: must be above 0", "FILE:1: limits.upstreamQueries: must not be negative"}},
		{"amounts beyond measure", "", []string{"BACKREF_LIMITS_MANIFEST_SIZE=2GiB", "BACKREF_LIMITS_RESPONSE_SIZE=20", "BACKREF_PERMISSIONS_CACHE_TTL=9000h"}, minimal(), []string{
			"BACKREF_PERMISSIONS_CACHE_TTL: permissions.cacheTTL: 9000h is longer than a year",
			"BACKREF_LIMITS_MANIFEST_SIZE: limits.manifestSize: 2GiB is more than 1GiB",
			"BACKREF_LIMITS_RESPONSE_SIZE: limits.responseSize: must be 1KiB at least"}},
		{"room for less than one manifest", "limits: {manifestMemory: 1MiB}\n", nil, minimal(), []string{
			"FILE:1: limits.manifestMemory: must be limits.manifestSize (4MiB) at least"}},
		{"what is read and what holds together", "log: {level: loud}\n", nil, map[string]string{"index.path": ""}, []string{
			`FILE:1: log.level: "loud" is none of debug, info, warn, error`,
			"upstream.url: is required; set it in the file, by BACKREF_UPSTREAM_URL, or by --upstream",
			"flag: index.path: must not be empty"}},
		{"nothing follows from a file that can't be read", "log: [\n", nil, nil,
			[]string{"FILE: yaml: line 1: did not find expected node content"}},
		{"addresses", "server: {listen: '8080'}\nadmin: {listen: ':http'}\n", nil, minimal(), []string{
			`FILE:1: server.listen: "8080" is not an address such as 127.0.0.1:8080 or :8080`,
			`FILE:2: admin.listen: ":http" has no port from 0 to 65535`}},
		{"listeners", "server: {listeners: [{name: runtime, listen: x}]}\n", nil, minimal(), []string{
			`FILE:1: server.listeners: listener runtime: "x" is not an address such as 127.0.0.1:8080 or :8080`}},
		{"names of listeners", "server: {listeners: [{name: main, listen: ':1'}]}\n", nil, minimal(), []string{
			"FILE:1: server.listeners: there is more than one listener with the name main; main is server.listen"}},
		{"name of no listener", "server: {listeners: [{name: Run_time, listen: ':1'}]}\n", nil, minimal(), []string{
			`FILE:1: server.listeners: "Run_time" is no name of a listener: use up to 32 small letters, digits and dashes`}},
		{"artifact rule of an unknown listener", "artifacts: {rules: [{name: r, repositories: ['**'], actions: [pull], listeners: [runtime], allow: [images]}]}\n", nil, minimal(), []string{
			`FILE:1: artifacts.rules: rule r is about the listener "runtime", which is neither main nor among server.listeners`}},
		{"artifact rule by user in passthrough", "artifacts: {rules: [{name: r, repositories: ['**'], actions: [pull], users: [ann], allow: [images]}]}\n", nil, minimal(), []string{
			"FILE:1: artifacts.rules: rule r tells clients apart by users, groups or anonymous: in auth.mode passthrough only the registry knows who they are; set auth.mode to service"}},
		{"artifact rule with a wrong name", `artifacts: {rules: [{name: 'a"b', repositories: ['**'], actions: [pull], allow: [images]}]}` + "\n", nil, minimal(), []string{
			`FILE:1: artifacts.rules: the name of the rule "a\"b" has characters beside those of printable ASCII, or a quote or backslash`}},
		{"half of TLS", "server: {tls: {certFile: x}}\n", nil, minimal(),
			[]string{"FILE:1: server.tls.certFile: needs server.tls.keyFile beside it"}},
		{"half of TLS to the registry", "upstream: {tls: {keyFile: x}}\n", nil, minimal(),
			[]string{"FILE:1: upstream.tls.keyFile: needs upstream.tls.certFile beside it"}},
		{"a client certificate over plain HTTP", "upstream: {tls: {certFile: x, keyFile: x}}\n", nil, minimal(),
			[]string{"FILE:1: upstream.tls.certFile: has no effect where upstream.url begins with http://"}},
		{"client certificates without TLS", "admin: {tls: {clientAuth: require}}\n", nil, minimal(),
			[]string{"FILE:1: admin.tls.clientAuth: needs admin.tls.certFile beside it"}},
		{"client certificates of nobody", "server: {tls: {certFile: x, keyFile: x, clientAuth: request}}\n", nil, minimal(),
			[]string{"FILE:1: server.tls.clientAuth: needs server.tls.clientCAFile beside it"}},
		{"authorities that are not asked for", "server: {tls: {clientCAFile: x}}\n", nil, minimal(),
			[]string{"FILE:1: server.tls.clientCAFile: has no effect with clientAuth: none; set server.tls.clientAuth to request or require"}},
		{"two indexes", "index: {path: /x, postgres: {url: 'postgres://backref@db/backref'}}\n", nil, minimal(),
			[]string{"FILE:1: index.path: must not be given beside index.postgres.url: the index is kept in one of them"}},
		{"password in the URL of a database", "", nil, map[string]string{"upstream.url": "http://x", "index.postgres.url": "postgres://backref:secret@db/backref"},
			[]string{"flag: index.postgres.url: must not have a password: use index.postgres.password or passwordFile"}},
		{"password in the query of a database", "", nil, map[string]string{"upstream.url": "http://x", "index.postgres.url": "postgres://db/backref?password=secret"},
			[]string{"flag: index.postgres.url: must not have a password: use index.postgres.password or passwordFile"}},
		{"password in pairs", "", nil, map[string]string{"upstream.url": "http://x", "index.postgres.url": "host=db password = secret"},
			[]string{"flag: index.postgres.url: must not have a password: use index.postgres.password or passwordFile"}},
		{"password in what is hardly the URL of a database", "", nil, map[string]string{"upstream.url": "http://x", "index.postgres.url": "postgres://a:%secret@db"},
			[]string{"flag: index.postgres.url: is not a URL such as postgres://user@host/database"}},
		{"a database that is none", "index: {postgres: {url: db, schema: '', connections: 0}}\n", nil, minimal(), []string{
			"FILE:1: index.postgres.connections: must be above 0",
			"FILE:1: index.postgres.url: need postgres://user@host/database, or libpq's key=value pairs",
			"FILE:1: index.postgres.schema: must have 1 to 63 bytes"}},
		{"password of no database", "index: {postgres: {password: x}}\n", nil, minimal(),
			[]string{"index.postgres.url: is needed beside a password"}},
		{"two passwords of a database", "index: {postgres: {url: 'host=db', password: x, passwordFile: y}}\n", nil, minimal(),
			[]string{"FILE:1: index.postgres.passwordFile: must not be given beside password"}},
		{"one value for a list", "server: {trustedProxies: 10.0.0.1}\n", nil, minimal(), []string{"FILE:1: server.trustedProxies: need a list"}},
		{"bytes that are no text", "", []string{"BACKREF_INDEX_PATH=\xff"}, minimal(), []string{"BACKREF_INDEX_PATH: index.path: is not text in UTF-8"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sources := config.Sources{Environ: c.environ, Flags: c.flags}
			if c.file != "" {
				sources.File = writeFile(t, c.file)
			}
			_, err := config.Load(sources)
			if err == nil {
				t.Fatal("no error")
			}
			want := strings.ReplaceAll(strings.Join(c.want, "\n"), "FILE", sources.File)
			if err.Error() != want {
				t.Errorf("got\n%s\nwant\n%s", err, want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Error("the error shows a password")
			}
		})
	}
}

func TestVariablesOfKubernetesAreNotOurs(t *testing.T) {
	_, err := config.Load(config.Sources{Flags: minimal(), Environ: []string{
		"BACKREF_SERVICE_HOST=10.0.0.1", "BACKREF_SERVICE_PORT=80", "BACKREF_SERVICE_PORT_HTTP=80", "BACKREF_PORT=tcp://10.0.0.1:80",
		"BACKREF_PORT_80_TCP=tcp://10.0.0.1:80", "BACKREF_PORT_80_TCP_ADDR=10.0.0.1", "BACKREF_ADMIN_SERVICE_HOST=10.0.0.2", "BACKREF_ADMIN_PORT_5001_TCP_PROTO=tcp",
		"BACKREF_ADMIN_PORT_5001_TCP_PORT=5001",
	}})
	if err != nil {
		t.Error(err)
	}
	_, err = config.Load(config.Sources{Flags: minimal(), Environ: []string{"BACKREF_PORT=8080"}})
	if err == nil {
		t.Error("a variable that looks like Kubernetes', but for no Service, is taken for one")
	}
}

func TestWhatIsPrintedCanBeRead(t *testing.T) {
	flags := minimal()
	flags["server.trustedProxies"] = "10.0.0.0/8, ::1"
	flags["limits.manifestSize"] = "1000"
	flags["retention.rules"] = "[{name: a, repositories: ['**'], keep: {newest: 3}}]"
	cfg, err := config.Load(config.Sources{Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if err := cfg.WriteYAML(&first); err != nil {
		t.Fatal(err)
	}
	again, err := config.Load(config.Sources{File: writeFile(t, first.String())})
	if err != nil {
		t.Fatalf("%v\n%s", err, first.String())
	}
	if err := again.WriteYAML(&second); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Errorf("got\n%s\nwant\n%s", second.String(), first.String())
	}
}

func TestSchema(t *testing.T) {
	schema, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/schema.json", schema)
}

// golden compares with a file; -update rewrites it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not up to date; run the test with -update and read what changed:\n%s", path, got)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]config.Size{
		"0": 0, "1": 1, "12B": 12, "4MiB": 4 << 20, "4 MiB": 4 << 20, "3KB": 3000, "1GiB": 1 << 30, "8GB": 8e9,
	} {
		var got config.Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "B", "-1", "+1", "1.5MiB", "1mib", "9999999999GiB", "0x10", "1 2", "-0", "９"} {
		var got config.Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken for %d", text, got)
		}
	}
}

func FuzzSize(f *testing.F) {
	for _, seed := range []string{"0", "4MiB", "1000KB", "9223372036854775807", "1 GiB", "-1B"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var size, again config.Size
		if size.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(size.String())); err != nil || again != size || size < 0 {
			t.Errorf("%q is %d, printed %q, read %d, %v", text, size, size, again, err)
		}
	})
}

func FuzzFile(f *testing.F) {
	f.Add("upstream: {url: http://x}\n")
	f.Add("server:\n  trustedProxies: [10.0.0.0/8]\n")
	f.Add("a: &a [*a]\n")
	f.Add("? {x: y}\n: z\n")
	f.Fuzz(func(t *testing.T, content string) {
		cfg, err := config.Load(config.Sources{File: writeFile(t, content)})
		if err != nil {
			return
		}
		if cfg.Upstream.URL == nil {
			t.Error("valid without an upstream")
		}
		var printed bytes.Buffer
		if err := cfg.WriteYAML(&printed); err != nil {
			t.Fatal(err)
		}
		again, err := config.Load(config.Sources{File: writeFile(t, printed.String())})
		if err != nil || !reflect.DeepEqual(again, cfg) {
			t.Errorf("printed\n%s\nread %+v, %v\nwant %+v", printed.String(), again, err, cfg)
		}
	})
}
