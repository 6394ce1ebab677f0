package main

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/backref/backref/config"
)

// checkConfig tells whether the configuration can be used, mistake by mistake.
func (d *doctor) checkConfig(context.Context) []finding {
	from := "defaults, environment and flags"
	if d.file != "" {
		from = d.file + ", environment and flags"
	}
	var found []finding
	if d.mistakes != nil {
		for line := range strings.Lines(d.mistakes.Error()) {
			found = append(found, failf("%s", strings.TrimSuffix(line, "\n")).
				advise("mend it: docs/configuration.md has every key; backref config prints what counts"))
		}
		return found
	}
	switch {
	case d.cfg.Upstream.URL != nil:
		return one(okf("can be used, from %s", from))
	case d.named != "":
		return one(notCheckedf("upstream.url is not set: --config names no configuration of the server").
			advise("give the server's configuration by --config, to have it and the registry looked at too"))
	default:
		return one(failf("upstream.url is not set").advise("give the server's configuration by --config, or the registry by --upstream"))
	}
}

// configChecks looks for settings that are valid and doubtful together. They are
// those of a server only where there is a registry.
func (d *doctor) configChecks() []check {
	if d.cfg.Upstream.URL == nil {
		return nil
	}
	judge := func(how func(config.Config) finding) func(context.Context) []finding {
		return func(context.Context) []finding { return one(how(d.cfg)) }
	}
	return []check{
		{"config.passwords", judge(judgePasswords)},
		{"config.admin", judge(judgeAdmin)},
		{"config.proxies", judge(judgeProxies)},
		{"config.hidden-tags", judge(judgeHiddenTags)},
		{"config.service", judge(judgeService)},
	}
}

// judgePasswords tells whether credentials of clients come in the clear from other
// machines: those for backref itself, or for a registry that takes them by TLS.
func judgePasswords(cfg config.Config) finding {
	switch {
	case cfg.Server.TLS.CertFile != "":
		return okf("clients come by HTTPS")
	case onLoopback(cfg.Server.Listen) && !slices.ContainsFunc(cfg.Server.Listeners, func(l config.Listener) bool { return !onLoopback(l.Listen) }):
		return okf("plain HTTP at %s, which this machine alone reaches", cfg.Server.Listen)
	case len(cfg.Server.TrustedProxies) > 0:
		return okf("plain HTTP at %s, behind the proxies of server.trustedProxies", cfg.Server.Listen)
	case !passwordsCome(cfg):
		return okf("plain HTTP at %s, where no passwords are expected", cfg.Server.Listen)
	default:
		return warnf("server.listen is %s: passwords and tokens of clients come in the clear from other machines", cfg.Server.Listen).
			advise("set server.tls.certFile and server.tls.keyFile, listen on a loopback address, or name the proxy at which TLS ends in server.trustedProxies")
	}
}

// judgeAdmin tells whether other machines reach the admin listener, and how far.
func judgeAdmin(cfg config.Config) finding {
	switch {
	case cfg.Admin.Listen == "":
		return warnf("admin.listen is empty: there are no health checks, no metrics and no maintenance of a running server").
			advise("set admin.listen, such as 127.0.0.1:5001")
	case onLoopback(cfg.Admin.Listen):
		return okf("%s, which this machine alone reaches", cfg.Admin.Listen)
	case cfg.Admin.TokenFile == "":
		return warnf("admin.listen is %s without a token: other machines see metrics and profiles, and are refused all maintenance and notifications", cfg.Admin.Listen).
			advise("set admin.tokenFile, or listen on 127.0.0.1")
	case cfg.Admin.TLS.CertFile == "":
		return warnf("admin.listen is %s: the token of admin.tokenFile comes in the clear from other machines", cfg.Admin.Listen).
			advise("set admin.tls.certFile and admin.tls.keyFile, or keep the listener to a network of its own")
	default:
		return okf("%s, by HTTPS and with a token", cfg.Admin.Listen)
	}
}

// judgeProxies tells whether a proxy that there seems to be is believed.
func judgeProxies(cfg config.Config) finding {
	public := cfg.Server.PublicURL
	switch {
	case len(cfg.Server.TrustedProxies) > 0:
		return okf("%d prefixes of proxies are believed", len(cfg.Server.TrustedProxies))
	case public == nil:
		return okf("server.publicURL is not set, and no proxy is believed")
	case public.Scheme == "https" && cfg.Server.TLS.CertFile == "":
		return warnf("server.publicURL is HTTPS and server.tls is not set, so that a proxy is before backref, but server.trustedProxies is empty: all clients count as one, by its address").
			advise("name the addresses of the proxy in server.trustedProxies")
	default:
		return warnf("server.publicURL is set and server.trustedProxies is empty: behind a proxy all clients count as one, by its address").
			advise("name the addresses of the proxy in server.trustedProxies; without a proxy there is nothing to do")
	}
}

// judgeHiddenTags tells whether the registry's garbage collection finds referrers.
func judgeHiddenTags(cfg config.Config) finding {
	switch {
	case cfg.Referrers.HiddenTags:
		return okf("referrers get hidden tags, by which the registry keeps them")
	case cfg.Referrers.FallbackTags == config.FallbackMirror:
		return warnf("referrers.hiddenTags is off: the garbage collection of Distribution 2.x drops referrers all the same, though referrers.fallbackTags is mirror").
			advise("set referrers.hiddenTags to true, unless the registry is Distribution 3 or collects no untagged manifests")
	default:
		return warnf("referrers.hiddenTags is off and referrers.fallbackTags is %s: garbage collection of the registry drops referrers, and a new index can't find them", cfg.Referrers.FallbackTags).
			advise("set referrers.hiddenTags to true, then run backref tags hold")
	}
}

// judgeService tells what runs beside requests, for want of credentials.
func judgeService(cfg config.Config) finding {
	service := cfg.Upstream.Service
	switch {
	case service.Anonymous && cfg.Referrers.FallbackTags == config.FallbackMirror:
		return warnf("referrers.fallbackTags is mirror and upstream.service is anonymous: the tags are written only where the registry lets anyone push").
			advise("set upstream.service.username and upstream.service.passwordFile")
	case service.Configured():
		return okf("backref asks the registry as upstream.service")
	default:
		return warnf("upstream.service is not set: nothing runs in the background, notifications are refused, and pushes of unknown outcome wait for the next client").
			advise("set upstream.service.username and upstream.service.passwordFile, or upstream.service.anonymous where the registry lets anyone read")
	}
}

// onLoopback tells whether an address to listen on is reached by this machine only.
func onLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
