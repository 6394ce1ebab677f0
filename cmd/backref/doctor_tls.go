package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/backref/backref/config"
)

// certificateChecks look at the certificates of the listeners.
func (d *doctor) certificateChecks() []check {
	var checks []check
	if secure := d.cfg.Server.TLS; secure.CertFile != "" {
		host := ""
		if d.cfg.Server.PublicURL != nil {
			host = d.cfg.Server.PublicURL.Hostname()
		}
		checks = append(checks, check{"server.tls", d.certificateCheck("server.tls", secure, host)})
	}
	if secure := d.cfg.Admin.TLS; secure.CertFile != "" {
		checks = append(checks, check{"admin.tls", d.certificateCheck("admin.tls", secure, "")})
	}
	return checks
}

// certificateCheck looks at the files of a listener. host is the name that clients
// know; empty where that isn't said.
func (d *doctor) certificateCheck(key string, secure config.ServerTLS, host string) func(context.Context) []finding {
	return func(context.Context) []finding {
		pair, err := tls.LoadX509KeyPair(secure.CertFile, secure.KeyFile)
		if err != nil {
			return one(failf("%s and %s can't be used: %v", secure.CertFile, secure.KeyFile, err).
				advise("set %s.certFile and %s.keyFile to a certificate in PEM and to its key", key, key))
		}
		chain := make([]*x509.Certificate, 0, len(pair.Certificate))
		for _, der := range pair.Certificate {
			parsed, err := x509.ParseCertificate(der)
			if err != nil {
				return one(failf("%s: %v", secure.CertFile, err).advise("set %s.certFile to a certificate in PEM", key))
			}
			chain = append(chain, parsed)
		}
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		return judgeCertificate(key, chain, roots, host, d.now())
	}
}

// judgeCertificate judges what a listener shows to clients.
func judgeCertificate(key string, chain []*x509.Certificate, roots *x509.CertPool, host string, now time.Time) []finding {
	leaf := chain[0]
	found := one(judgeTime(leaf, now))
	if found[0].Result != resultOK {
		found[0] = found[0].advise("renew it and replace %s.certFile and %s.keyFile: they are read again while the server runs", key, key)
	}
	if host != "" && leaf.VerifyHostname(host) != nil {
		found = append(found, failf("the certificate is not for %s, the host of server.publicURL", host).
			advise("have one made for that name, or set server.publicURL to a name that it is for"))
	}
	if broken := brokenAt(chain); broken != "" {
		return append(found, failf("the chain is in disorder: %s", broken).advise("put the certificate first into %s.certFile, then each one that signed the one before", key))
	}
	if last := chain[len(chain)-1]; !selfSigned(last) && !completes(chain, roots, now) {
		found = append(found, warnf("the chain ends at %s, which was signed by %s: this machine does not trust that", nameOf(last), last.Issuer).
			advise("add the certificates in between to %s.certFile, unless clients trust %s itself", key, last.Issuer))
	}
	return found
}

// judgeChain judges the chain of certificates that a registry was believed by.
func judgeChain(chain []*x509.Certificate, now time.Time) finding {
	soonest := chain[0]
	for _, c := range chain {
		if c.NotAfter.Before(soonest.NotAfter) {
			soonest = c
		}
	}
	found := judgeTime(soonest, now)
	if found.Result != resultOK {
		return found.advise("renew it at the registry")
	}
	found.Message += ", by " + nameOf(chain[len(chain)-1])
	return found
}

// soon is when a certificate ought to have been renewed: two weeks before its end,
// or a quarter of its life where that is shorter.
const soon = 14 * 24 * time.Hour

// judgeTime judges by when a certificate ends.
func judgeTime(c *x509.Certificate, now time.Time) finding {
	left, life := c.NotAfter.Sub(now), c.NotAfter.Sub(c.NotBefore)
	switch {
	case now.Before(c.NotBefore):
		return failf("the certificate of %s holds from %s on only", nameOf(c), c.NotBefore.UTC().Format(time.DateTime))
	case left <= 0:
		return failf("the certificate of %s has expired at %s", nameOf(c), c.NotAfter.UTC().Format(time.DateTime))
	case left < min(soon, life/4):
		return warnf("the certificate of %s expires in %s", nameOf(c), leftText(left))
	default:
		return okf("the certificate of %s holds for %s", nameOf(c), leftText(left))
	}
}

func leftText(left time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case left < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(left/time.Minute))
	case left < 2*day:
		return fmt.Sprintf("%d hours", int(left/time.Hour))
	default:
		return fmt.Sprintf("%d days", int(left/day))
	}
}

// brokenAt says where a certificate of a chain did not sign the one before; empty
// where all did.
func brokenAt(chain []*x509.Certificate) string {
	for i := 1; i < len(chain); i++ {
		if err := chain[i-1].CheckSignatureFrom(chain[i]); err != nil {
			return fmt.Sprintf("%s did not sign %s", nameOf(chain[i]), nameOf(chain[i-1]))
		}
	}
	return ""
}

func selfSigned(c *x509.Certificate) bool {
	return c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// completes tells whether a chain leads to what is trusted, whatever time it is.
func completes(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) bool {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if leaf := chain[0]; now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		now = leaf.NotAfter
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

// nameOf names whose a certificate is.
func nameOf(c *x509.Certificate) string {
	switch {
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	case c.Subject.String() != "":
		return c.Subject.String()
	default:
		return "serial number " + c.SerialNumber.String()
	}
}
