package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"io/fs"
	"math/big"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/proxy/admin"
)

// judged makes sure that a finding has a result, and advice exactly where there is
// something to do.
func judged(t *testing.T, name string, got finding, want result) {
	t.Helper()
	if got.Result != want || got.Message == "" {
		t.Errorf("%s: want %s, got %+v", name, want, got)
	}
	if wrong := want == resultWarn || want == resultFail; wrong && got.Advice == "" || want == resultOK && got.Advice != "" {
		t.Errorf("%s: advice of %s is %q", name, want, got.Advice)
	}
}

func parsedURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestDoctorJudgesTheConfiguration(t *testing.T) {
	secure := config.ServerTLS{CertFile: "c", KeyFile: "k"}
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	https := func(c *config.Config) { c.Upstream.URL = parsedURL(t, "https://registry.example.com") }
	for name, c := range map[string]struct {
		judge func(config.Config) finding
		set   func(*config.Config)
		want  result
	}{
		"a registry by HTTP":    {judgePasswords, func(*config.Config) {}, resultOK},
		"a registry by HTTPS":   {judgePasswords, https, resultWarn},
		"on loopback":           {judgePasswords, func(c *config.Config) { https(c); c.Server.Listen = "localhost:8080" }, resultOK},
		"TLS":                   {judgePasswords, func(c *config.Config) { https(c); c.Server.TLS = secure }, resultOK},
		"behind a proxy":        {judgePasswords, func(c *config.Config) { https(c); c.Server.TrustedProxies = trusted }, resultOK},
		"sign-in here":          {judgePasswords, func(c *config.Config) { c.Auth.Mode, c.Auth.HtpasswdFile = config.AuthService, "h" }, resultWarn},
		"admin by default":      {judgeAdmin, func(*config.Config) {}, resultOK},
		"no admin":              {judgeAdmin, func(c *config.Config) { c.Admin.Listen = "" }, resultWarn},
		"admin open":            {judgeAdmin, func(c *config.Config) { c.Admin.Listen = ":5001" }, resultWarn},
		"admin, token in clear": {judgeAdmin, func(c *config.Config) { c.Admin.Listen, c.Admin.TokenFile = ":5001", "t" }, resultWarn},
		"admin by TLS":          {judgeAdmin, func(c *config.Config) { c.Admin.Listen, c.Admin.TokenFile, c.Admin.TLS = ":5001", "t", secure }, resultOK},
		"no proxy":              {judgeProxies, func(*config.Config) {}, resultOK},
		"a proxy not believed":  {judgeProxies, func(c *config.Config) { c.Server.PublicURL = parsedURL(t, "https://r.example.com") }, resultWarn},
		"a path without proxy":  {judgeProxies, func(c *config.Config) { c.Server.PublicURL = parsedURL(t, "http://r.example.com") }, resultWarn},
		"a proxy believed":      {judgeProxies, func(c *config.Config) { c.Server.TrustedProxies = trusted }, resultOK},
		"hidden tags":           {judgeHiddenTags, func(*config.Config) {}, resultOK},
		"no hidden tags":        {judgeHiddenTags, func(c *config.Config) { c.Referrers.HiddenTags = false }, resultWarn},
		"a mirror without": {judgeHiddenTags, func(c *config.Config) {
			c.Referrers.HiddenTags, c.Referrers.FallbackTags = false, config.FallbackMirror
		}, resultWarn},
		"no service": {judgeService, func(*config.Config) {}, resultWarn},
		"a service":  {judgeService, func(c *config.Config) { c.Upstream.Service.Username = "u" }, resultOK},
		"an anonymous mirror": {judgeService, func(c *config.Config) {
			c.Upstream.Service.Anonymous, c.Referrers.FallbackTags = true, config.FallbackMirror
		}, resultWarn},
	} {
		cfg := config.Default()
		cfg.Upstream.URL = parsedURL(t, "http://registry.example.com")
		c.set(&cfg)
		judged(t, name, c.judge(cfg), c.want)
	}
}

func TestDoctorJudgesTheRealm(t *testing.T) {
	everywhere, private, loopback := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("127.0.0.1")
	for name, c := range map[string]struct {
		realm string
		at    netip.Addr
		set   func(*config.Config)
		want  result
	}{
		"everybody reaches it":  {"https://auth.example.com/token", everywhere, func(*config.Config) {}, resultOK},
		"private":               {"https://auth.example.com/token", private, func(*config.Config) {}, resultWarn},
		"this machine":          {"http://localhost/token", loopback, func(*config.Config) {}, resultWarn},
		"both on this machine":  {"http://localhost/token", loopback, func(c *config.Config) { c.Server.Listen = "127.0.0.1:8080" }, resultOK},
		"from HTTPS to HTTP":    {"http://auth.example.com/token", everywhere, func(c *config.Config) { c.Server.TLS.CertFile = "c" }, resultWarn},
		"rewritten":             {"http://localhost/token", loopback, func(c *config.Config) { c.Auth.Realm = config.RealmRewrite }, resultOK},
		"signed in at backref":  {"http://localhost/token", loopback, func(c *config.Config) { c.Auth.Mode = config.AuthService }, resultOK},
		"HTTPS by a proxy only": {"http://auth.example.com/token", everywhere, func(c *config.Config) { c.Server.PublicURL = parsedURL(t, "https://r.example.com") }, resultWarn},
	} {
		cfg := config.Default()
		c.set(&cfg)
		judged(t, name, judgeRealm(cfg, parsedURL(t, c.realm), []netip.Addr{c.at}), c.want)
	}
}

func TestDoctorJudgesClocks(t *testing.T) {
	asked := time.Date(2024, 5, 1, 12, 0, 0, int(900*time.Millisecond), time.UTC)
	answered := asked.Add(20 * time.Second)
	for said, want := range map[time.Duration]result{
		0: resultOK, -900 * time.Millisecond: resultOK, 10 * time.Second: resultOK, -59 * time.Second: resultOK, 79 * time.Second: resultOK,
		-62 * time.Second: resultWarn, 82 * time.Second: resultWarn, 24 * time.Hour: resultWarn,
	} {
		judged(t, said.String(), judgeClock("the registry", asked.Add(said), asked, answered), want)
	}
}

func TestDoctorJudgesDisks(t *testing.T) {
	for _, c := range []struct {
		free, size int64
		want       result
	}{
		{0, 0, resultFail}, {100 << 20, 1 << 20, resultWarn}, {1 << 30, 2 << 30, resultWarn}, {1 << 30, 1 << 29, resultOK},
	} {
		judged(t, sizeText(c.free), judgeSpace("/data", c.free, c.size), c.want)
	}
	for _, c := range []struct {
		owner, folder, self int
		want                result
	}{
		{1000, 1000, 1000, resultOK}, {0, 1000, 0, resultWarn}, {0, 0, 0, resultOK}, {1000, 1000, 0, resultOK}, {0, 1000, 1000, resultWarn},
	} {
		judged(t, "owner", judgeOwner("f", c.owner, c.folder, c.self), c.want)
	}
	for mode, want := range map[fs.FileMode]result{0o600: resultOK, 0o440: resultOK, 0o640: resultOK, 0o644: resultWarn, 0o604: resultWarn, 0o660: resultWarn, 0o400: resultOK} {
		judged(t, mode.String(), judgeSecretMode(secretFile{"admin.tokenFile", "token"}, mode), want)
	}
	for line, want := range map[string]int{
		"1: FLOCK  ADVISORY  WRITE 4711 08:01:131085 0 EOF": 4711,
		"1: FLOCK  ADVISORY  WRITE 4711 08:01:13108 0 EOF":  0,
		"1: POSIX  ADVISORY  WRITE 4711 08:01:131085 0 EOF": 0,
		"1: -> FLOCK ADVISORY WRITE 1 08:01:131085 0 EOF":   0,
		"1: FLOCK  ADVISORY  WRITE -1 08:01:131085 0 EOF":   0,
		"": 0,
	} {
		if got := lockHolder(line, 131085); got != want {
			t.Errorf("%q: %d", line, got)
		}
	}
}

func TestDoctorJudgesTheIndex(t *testing.T) {
	now := time.Now()
	open := func(deadlines ...time.Duration) (intents []index.Intent) {
		for _, d := range deadlines {
			intents = append(intents, index.Intent{Deadline: now.Add(d)})
		}
		return intents
	}
	judged(t, "none", judgeIntents(nil, now), resultOK)
	judged(t, "under way", judgeIntents(open(time.Minute), now), resultOK)
	judged(t, "late", judgeIntents(open(-time.Minute, time.Minute), now), resultOK)
	judged(t, "overdue", judgeIntents(open(time.Minute, -2*time.Hour), now), resultWarn)
	judged(t, "empty", judgeHeld(index.Stats{}), resultOK)
	judged(t, "held", judgeHeld(index.Stats{Referrers: 3}), resultOK)
	unheld := judgeHeld(index.Stats{Referrers: 4, Unheld: 1})
	if judged(t, "unheld", unheld, resultWarn); !strings.Contains(unheld.Message, "75.0 %") || !strings.Contains(unheld.Advice, "backref tags hold") {
		t.Errorf("%+v", unheld)
	}
}

func TestDoctorJudgesAnswers(t *testing.T) {
	now := time.Now()
	part := func(ok, required bool) admin.Part {
		return admin.Part{Name: "index", OK: ok, Required: required, Message: "the index can't be written to", Since: now.Add(-time.Hour)}
	}
	judged(t, "ready", judgeReady(true, []admin.Part{part(true, true)}, now)[0], resultOK)
	judged(t, "without a part", judgeReady(true, []admin.Part{part(false, false)}, now)[0], resultWarn)
	judged(t, "not ready", judgeReady(false, []admin.Part{part(true, true), part(false, true)}, now)[0], resultFail)
	judged(t, "not ready, in a word", judgeReady(false, nil, now)[0], resultFail)
	judged(t, "the same", judgeVersion("v1.2.0 abc", "v1.2.0 abc"), resultOK)
	judged(t, "another", judgeVersion("v1.1.0 abc", "v1.2.0 def"), resultWarn)
	judged(t, "events", judgeEvents(3, 0, 1), resultOK)
	judged(t, "events that fail", judgeEvents(3, 1, 1), resultWarn)
	judged(t, "no events", judgeEvents(0, 0, 1), resultWarn)
	judged(t, "nothing", judgeEvents(0, 0, 0), resultNotChecked)
	judged(t, "pages", judgePages(1, true), resultOK)
	judged(t, "whole lists", judgePages(2, false), resultOK)
	judged(t, "short lists", judgePages(1, false), resultNotChecked)
	judged(t, "deletes", judgeDeletes(http.StatusOK, []string{"DELETE, GET"}), resultOK)
	judged(t, "no deletes", judgeDeletes(http.StatusOK, []string{"GET", "HEAD"}), resultWarn)
	judged(t, "no word of deletes", judgeDeletes(http.StatusNotFound, nil), resultNotChecked)
}

// signer is a certificate that can sign others.
type signer struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// certify makes a certificate, signed by another, or by itself where that is nil.
func certify(t *testing.T, name string, begin, end time.Time, by *signer) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: begin, NotAfter: end, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	made := signer{template, key}
	if by == nil {
		by = &made
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.Certificate, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	if made.Certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return made
}

func TestDoctorJudgesCertificates(t *testing.T) {
	now := time.Now()
	begin, end := now.Add(-30*24*time.Hour), now.Add(60*24*time.Hour)
	root := certify(t, "root", begin, end, nil)
	between := certify(t, "between", begin, end, &root)
	leaf := certify(t, "r.example.com", begin, end, &between)
	itself := certify(t, "r.example.com", begin, end, nil)
	trusted, nobody := pool(root.Certificate), x509.NewCertPool()
	for name, c := range map[string]struct {
		chain []*x509.Certificate
		roots *x509.CertPool
		host  string
		now   time.Time
		want  []result
	}{
		"all well":             {[]*x509.Certificate{leaf.Certificate, between.Certificate}, trusted, "r.example.com", now, []result{resultOK}},
		"signed by itself":     {[]*x509.Certificate{itself.Certificate}, nobody, "", now, []result{resultOK}},
		"up to the root":       {[]*x509.Certificate{leaf.Certificate, between.Certificate, root.Certificate}, nobody, "", now, []result{resultOK}},
		"one is missing":       {[]*x509.Certificate{leaf.Certificate}, trusted, "", now, []result{resultOK, resultWarn}},
		"in disorder":          {[]*x509.Certificate{leaf.Certificate, root.Certificate}, trusted, "", now, []result{resultOK, resultFail}},
		"for another name":     {[]*x509.Certificate{itself.Certificate}, nobody, "other.example.com", now, []result{resultOK, resultFail}},
		"about to expire":      {[]*x509.Certificate{itself.Certificate}, nobody, "", end.Add(-time.Hour), []result{resultWarn}},
		"expired":              {[]*x509.Certificate{itself.Certificate}, nobody, "", end.Add(time.Hour), []result{resultFail}},
		"expired, and trusted": {[]*x509.Certificate{leaf.Certificate, between.Certificate}, trusted, "", end.Add(time.Hour), []result{resultFail}},
		"not yet":              {[]*x509.Certificate{itself.Certificate}, nobody, "", begin.Add(-time.Hour), []result{resultFail}},
	} {
		found := judgeCertificate("server.tls", c.chain, c.roots, c.host, c.now)
		if len(found) != len(c.want) {
			t.Errorf("%s: %+v", name, found)
			continue
		}
		for i, want := range c.want {
			judged(t, name, found[i], want)
		}
	}
	chain := []*x509.Certificate{leaf.Certificate, between.Certificate, root.Certificate}
	if got := judgeChain(chain, now); !strings.Contains(got.Message, "60 days, by root") && !strings.Contains(got.Message, "59 days, by root") {
		t.Errorf("%+v", got)
	}
	judged(t, "the registry's own", judgeChain(chain, end.Add(-time.Hour)), resultWarn)
}

// What people are shown has a mark in words, also where there is colour.
func TestDoctorShowsFindings(t *testing.T) {
	report := &health{Findings: []finding{
		{Check: "a", Result: resultOK, Message: "well"},
		{Check: "disk.space", Result: resultWarn, Message: "little\x1b[2J", Advice: "make room"},
		{Check: "b", Result: resultNotChecked, Message: "no server"},
		{Check: "c", Result: resultNotChecked, Message: "no server"},
	}}
	report.count()
	var out bytes.Buffer
	report.show(&sheet{Writer: &out})
	want := "ok           a           well\n" +
		"warn         disk.space  little\\x1b[2J\n" +
		"                         → make room\n" +
		"not checked  b           no server\n" +
		"not checked  c           as above\n" +
		"\n1 ok, 1 warn, 0 fail, 2 not checked\n"
	if out.String() != want || !report.Healthy {
		t.Errorf("%s", out.String())
	}
	out.Reset()
	if report.show(&sheet{Writer: &out, colour: true}); !strings.HasPrefix(out.String(), styleGreen+"ok") {
		t.Errorf("%q", out.String())
	}
}
