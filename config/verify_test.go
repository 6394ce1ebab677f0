package config_test

import (
	"strings"
	"testing"

	"github.com/backref/backref/config"
)

func TestSignersAreRead(t *testing.T) {
	cfg, err := config.Load(config.Sources{Flags: minimal(), File: writeFile(t, `
verify:
  maxSize: 1MiB
  signers:
    - {name: release, repositories: ["team/**"], keyFile: cosign.pub}
    - {name: logged, keyFile: cosign.pub, transparencyLog: required, trustedRootFile: root.json}
    - {name: ci, issuer: "https://issuer.example.com", identityRegexp: "https://example.com/.*", trustedRootFile: root.json}
    - {name: private, issuer: "https://issuer.example.com", identity: a, trustedRootFile: root.json, transparencyLog: ignored}
    - name: notary
      notation: {certificateFiles: [ca.pem], identities: ["x509.subject: C=US, ST=WA, O=example"]}
`)})
	if err != nil {
		t.Fatal(err)
	}
	var needLog []string
	for _, s := range cfg.Verify.Signers {
		if s.NeedsLog() && !s.Notation.Used() {
			needLog = append(needLog, s.Name)
		}
	}
	if got := strings.Join(needLog, " "); got != "logged ci" {
		t.Errorf("the log is required of %s", got)
	}
	if n := cfg.Verify.Signers[4].Notation; cfg.Verify.MaxSize != 1<<20 || !n.Used() || n.Identities[0] != "x509.subject: C=US, ST=WA, O=example" {
		t.Errorf("%+v", cfg.Verify)
	}
}

func TestMistakesOfSignersAreNamed(t *testing.T) {
	for signer, want := range map[string]string{
		"{keyFile: a}":              "name",
		"{name: a}":                 "verify.signers[0]: signer a needs keyFile, issuer with identity, or notation",
		"{name: a b, keyFile: a}":   `the name of the signer "a b" has characters`,
		"{name: 'a,b', keyFile: a}": `the name of the signer "a,b" has characters`,
		"{name: " + strings.Repeat("a", 1000) + ", keyFile: a}":                                      "the name of a signer has more than",
		"{name: a, keyFile: a, issuer: b, identity: c}":                                              "signer a has more than one of keyFile, issuer with identity, and notation",
		"{name: a, keyFile: a, notation: {identities: ['*']}}":                                       "signer a has more than one of",
		"{name: a, identity: b, trustedRootFile: c}":                                                 "signer a needs issuer",
		"{name: a, issuer: b, trustedRootFile: c}":                                                   "signer a needs one of identity and identityRegexp",
		"{name: a, issuer: b, identity: c, identityRegexp: d}":                                       "signer a needs one of identity and identityRegexp",
		"{name: a, issuer: b, identity: c}":                                                          "signer a needs trustedRootFile: the certificates",
		"{name: a, issuer: b, identityRegexp: '(', trustedRootFile: c}":                              "signer a has an identityRegexp that can't be read",
		"{name: a, keyFile: b, transparencyLog: required}":                                           "signer a needs trustedRootFile: transparencyLog is required",
		"{name: a, keyFile: b, trustedRootFile: c}":                                                  "signer a has a trustedRootFile that nothing is read of",
		"{name: a, keyFile: b, transparencyLog: maybe}":                                              `"maybe" is none of required, ignored`,
		"{name: a, notation: {identities: ['*']}}":                                                   "signer a needs notation.certificateFiles",
		"{name: a, notation: {certificateFiles: [b]}}":                                               "signer a needs notation.identities",
		"{name: a, notation: {certificateFiles: [b], identities: ['*']}, transparencyLog: required}": "signer a has transparencyLog or trustedRootFile",
		"{name: a, keyFile: b}, {name: a, keyFile: c}":                                               "verify.signers[1]: signer a: there are two of this name",
	} {
		_, err := config.Load(config.Sources{Flags: minimal(), File: writeFile(t, "verify: {signers: ["+signer+"]}\n")})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", signer, err, want)
		}
	}
}
