package config_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/backref/backref/config"
)

// service is a file in which everything about auth.mode service is set.
const service = `
upstream: {service: {username: backref, password: x}}
auth:
  mode: service
  htpasswdFile: users
  issuers:
    - url: https://issuer.example.com/
      audience: backref
      groupsClaim: groups
      prefix: "oidc:"
  rules:
    - repositories: [public/**]
      anonymous: true
      allow: [pull]
    - {repositories: ["**"], users: ["a,b"], groups: ["oidc:ops"], allow: [push, admin]}
`

func TestListsOfEntriesAreRead(t *testing.T) {
	cfg, err := config.Load(config.Sources{File: writeFile(t, service), Flags: minimal()})
	if err != nil {
		t.Fatal(err)
	}
	want := "[{Repositories:[public/**] Users:[] Groups:[] Anonymous:true Allow:[pull]} " +
		"{Repositories:[**] Users:[a,b] Groups:[oidc:ops] Anonymous:false Allow:[push admin]}]"
	if got := fmt.Sprintf("%+v", cfg.Auth.Rules); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(cfg.Auth.Issuers) != 1 || cfg.Auth.Issuers[0].URL.String() != "https://issuer.example.com/" {
		t.Errorf("issuers %+v", cfg.Auth.Issuers)
	}
	var printed bytes.Buffer
	if err := cfg.WriteYAML(&printed); err != nil {
		t.Fatal(err)
	}
	again, err := config.Load(config.Sources{
		File: writeFile(t, strings.ReplaceAll(printed.String(), "'[hidden]'", "x")), Flags: minimal(),
	})
	if err != nil || fmt.Sprintf("%+v", again.Auth.Rules) != want {
		t.Errorf("printed and read again: %v %+v\n%s", err, again.Auth.Rules, printed.String())
	}
	if err := validate(t, resolveSchema(t), []byte(service)); err != nil {
		t.Error(err)
	}
}

func TestListsOfEntriesInTheEnvironment(t *testing.T) {
	cfg, err := config.Load(config.Sources{Flags: minimal(), Environ: []string{
		"BACKREF_AUTH_MODE=service", "BACKREF_UPSTREAM_SERVICE_ANONYMOUS=true",
		`BACKREF_AUTH_RULES=[{repositories: ["**"], anonymous: true, allow: [pull]}]`,
	}})
	if err != nil || len(cfg.Auth.Rules) != 1 || !cfg.Auth.Rules[0].Anonymous {
		t.Errorf("got %v %+v", err, cfg.Auth)
	}
}

func TestMistakesOfAuthAreNamed(t *testing.T) {
	const base = "upstream: {service: {anonymous: true}}\nauth:\n  mode: service\n"
	const rule = "  rules: [{repositories: [a], anonymous: true, allow: [pull]}]\n"
	issuer := func(fields string) string { return base + rule + "  issuers: [" + fields + "]\n" }
	for name, c := range map[string]struct{ file, want string }{
		"no effect":          {"auth:\n" + rule, "auth.rules: has no effect in auth.mode passthrough"},
		"no credentials":     {"auth:\n  mode: service\n" + rule, "auth.mode: service needs upstream.service"},
		"no rules":           {base, "auth.rules: is needed"},
		"unknown key":        {base + "  rules:\n    - repositorys: [a]\n", "FILE:5: auth.rules[0].repositorys: unknown key (did you mean auth.rules[0].repositories?)"},
		"unknown action":     {base + "  rules: [{repositories: [a], anonymous: true, allow: [pul]}]\n", `auth.rules[0].allow: "pul" is none of pull, push, delete, admin`},
		"for nobody":         {base + "  rules: [{repositories: [a], allow: [pull]}]\n", "auth.rules: a rule is for nobody"},
		"nowhere":            {base + "  rules: [{anonymous: true, allow: [pull]}]\n", "auth.rules: a rule names no repositories"},
		"nothing":            {base + "  rules: [{repositories: [a], anonymous: true}]\n", "auth.rules: a rule allows nothing"},
		"not a list":         {base + "  rules: all\n", "auth.rules: need a"},
		"no audience":        {issuer("{url: 'https://a'}"), "no audience"},
		"no url":             {issuer("{audience: x}"), "an issuer has no url"},
		"plain http":         {issuer("{url: 'http://a.example.com', audience: x}"), "has to be https"},
		"two issuers":        {issuer("{url: 'https://a', audience: x}, {url: 'https://b', audience: x}"), "needs a prefix of its own"},
		"prefix of a prefix": {issuer("{url: 'https://a', audience: x, prefix: a}, {url: 'https://b', audience: x, prefix: ab}"), "begins as another's"},
		"two credentials":    {"upstream: {service: {username: x, dockerConfig: y}}\n", "upstream.service.dockerConfig: must not be given beside"},
	} {
		t.Run(name, func(t *testing.T) {
			file := writeFile(t, c.file)
			_, err := config.Load(config.Sources{File: file, Flags: minimal()})
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), file, "FILE"), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
