package config_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/backref/backref/config"
)

// Routes are read with all their sections, printed without secrets, and their files
// are known.
func TestRoutes(t *testing.T) {
	file := writeFile(t, `
upstream:
  url: http://localhost:5000
  routes:
    - prefix: dockerhub
      hosts: [dockerhub.example.com]
      namespaces: [docker.io]
      url: https://registry-1.docker.io
      service: {username: u, password: secret-password}
      tls: {caFile: /etc/ca.pem}
      timeouts: {connect: 3s}
      library: true
      rate: 5
    - prefix: team
      url: http://localhost:5001
      service: {username: v, passwordFile: /run/password}
`)
	cfg, err := config.Load(config.Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	hub := cfg.Upstream.Routes[0]
	if hub.Service.Password != "secret-password" || hub.URL.Host != "registry-1.docker.io" || !hub.Library || hub.Rate != 5 || hub.Timeouts.Connect.Seconds() != 3 {
		t.Errorf("%+v", hub)
	}
	var printed bytes.Buffer
	if err := cfg.WriteYAML(&printed); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(printed.String(), "secret-password") || !strings.Contains(printed.String(), "caFile: /etc/ca.pem") {
		t.Error(printed.String())
	}
	if err := validate(t, resolveSchema(t), printed.Bytes()); err != nil {
		t.Error(err)
	}
	files := map[string]bool{}
	for _, file := range cfg.Files() {
		files[file.Key] = file.Live
	}
	if !files["upstream.routes[0].tls.caFile"] || !files["upstream.routes[1].service.passwordFile"] {
		t.Errorf("%v", files)
	}
}

func TestRoutesThatAreWrong(t *testing.T) {
	const url = ", url: 'http://localhost:5001'"
	for routes, want := range map[string]string{
		"[{prefix: Hub" + url + "}]":                                                         `upstream.routes[0].prefix: "Hub" can't begin`,
		"[{url: 'http://localhost:5001'}]":                                                   `upstream.routes[0].prefix: "" can't begin`,
		"[{prefix: hub}]":                                                                    "upstream.routes[0].url: is required",
		"[{prefix: hub, url: 'http://localhost:5001/v2'}]":                                   "upstream.routes[0].url: must not end in /v2",
		"[{prefix: hub, url: 'http://u:p@localhost:5001'}]":                                  "upstream.routes[0].url: must not hold a user name",
		"[{prefix: hub" + url + "}, {prefix: hub" + url + "}]":                               "upstream.routes[1].prefix: hub is that of upstream.routes[0] too",
		"[{prefix: hub, hosts: [h]" + url + "}, {prefix: hub/a" + url + "}]":                 "upstream.routes[1].prefix: hub/a and hub of upstream.routes[0] are one below the other",
		"[{prefix: hub/a" + url + "}, {prefix: hub, namespaces: [h]" + url + "}]":            "upstream.routes[1].prefix: hub and hub/a of upstream.routes[0] are one below the other",
		"[{prefix: a, hosts: [h]" + url + "}, {prefix: b, hosts: [H]" + url + "}]":           "upstream.routes[1].hosts: h is a name of upstream.routes[0] too",
		"[{prefix: a, namespaces: [n]" + url + "}, {prefix: b, namespaces: [n]" + url + "}]": "upstream.routes[1].namespaces: n is a name of upstream.routes[0] too",
		"[{prefix: a, namespaces: ['localhost:5000']" + url + "}]":                           "upstream.routes[0].namespaces: localhost:5000 is a name of upstream.url too",
		"[{prefix: a, hosts: ['h:80']" + url + "}]":                                          `upstream.routes[0].hosts: "h:80" is not the name of a host`,
		"[{prefix: a, service: {username: x, password: y}" + url + "}]":                      "upstream.routes[0].service.password: is a secret",
		"[{prefix: a, rate: -1" + url + "}]":                                                 "upstream.routes[0].rate: must not be negative",
		"[{prefix: a, timeouts: {stall: 1us}" + url + "}]":                                   "upstream.routes[0].timeouts: 1µs is not",
		"[{prefix: a, service: {password: x}" + url + "}]":                                   "upstream.routes[0].service.username: is needed",
		"[{prefix: a, tls: {certFile: x, keyFile: y}" + url + "}]":                           "upstream.routes[0].tls.certFile: has no effect",
		"[{prefix: a, tls: {keyFile: y}, url: 'https://localhost:5001'}]":                    "upstream.routes[0].tls.keyFile: needs upstream.routes[0].tls.certFile",
	} {
		flags := minimal()
		flags["upstream.url"], flags["upstream.routes"] = "http://localhost:5000", routes
		if _, err := config.Load(config.Sources{Flags: flags}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", routes, err, want)
		}
	}
	_, err := config.Load(config.Sources{File: writeFile(t, `
upstream: {url: http://localhost:5000, service: {anonymous: true}, routes: [{prefix: a, url: http://localhost:5001}]}
auth: {mode: service, rules: [{repositories: ["**"], anonymous: true, allow: [pull]}]}
`)})
	if err == nil || !strings.Contains(err.Error(), "upstream.routes[0].service: is needed in auth.mode service") {
		t.Error(err)
	}
}
