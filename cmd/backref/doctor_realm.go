package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/backref/backref/config"
	"github.com/backref/backref/upstream"
)

// checkRealm looks at the address of the token service that the registry sends
// clients to.
func (d *doctor) checkRealm(ctx context.Context) finding {
	if d.door.response != nil && d.door.response.StatusCode != http.StatusUnauthorized {
		return okf("the registry sends nobody to a token service at its door")
	}
	realm, err := d.registry.Realm(ctx)
	switch {
	case errors.Is(err, upstream.ErrNoRealm) && d.cfg.Auth.Realm != config.RealmRewrite:
		return judgeNoRealm(err, d.door.response)
	case err != nil:
		return failf("%v", err).advise("have the registry name a token service by a URL that begins with https://; without one, set auth.realm to keep")
	}
	asked, err := d.registry.RoundTripRealm(newQuestion(ctx, http.MethodGet, "", nil), realm)
	if err != nil {
		return failf("the token service that the registry names, %s, can't be reached from here: %v", realm.Redacted(), err).
			advise("have this machine reach it, or the registry name one that it does")
	}
	_ = asked.Body.Close()
	addresses, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", realm.Hostname())
	return judgeRealm(d.cfg, realm, addresses)
}

// judgeNoRealm judges a challenge without a token service. That of a registry that
// takes passwords is none.
func judgeNoRealm(err error, answer *http.Response) finding {
	named := false
	if answer != nil {
		for _, challenge := range answer.Header.Values("Www-Authenticate") {
			upstream.RewriteRealm(challenge, func(realm string) string {
				named = true
				return realm
			})
		}
	}
	if !named {
		return okf("the registry takes passwords itself, and sends nobody to a token service")
	}
	return failf("%v", err).advise("have the registry name a token service by a URL that begins with https://")
}

// judgeRealm tells whether clients reach and use a token service that this machine
// reaches. addresses are those of its host.
func judgeRealm(cfg config.Config, realm *url.URL, addresses []netip.Addr) finding {
	name := realm.Redacted()
	secure := cfg.Server.TLS.CertFile != "" || cfg.Server.PublicURL != nil && cfg.Server.PublicURL.Scheme == "https"
	private := near(addresses)
	switch {
	case cfg.Auth.Mode == config.AuthService:
		return okf("%s is reached; clients sign in to backref and don't see it", name)
	case cfg.Auth.Realm == config.RealmRewrite:
		return okf("%s is reached; clients are sent to backref for it (auth.realm: rewrite)", name)
	case realm.Scheme == "http" && secure:
		return warnf("clients are sent from HTTPS to %s: passwords go there in the clear, and some clients refuse", name).advise("set auth.realm to rewrite")
	case private.IsValid() && (!onLoopback(cfg.Server.Listen) || !private.IsLoopback()):
		where := "an address of a private network"
		if private.IsLoopback() {
			where = "this machine's own address"
		}
		return warnf("clients are sent to %s, which is %s (%s): others can't reach it, and some clients refuse such", name, where, private).advise("set auth.realm to rewrite, unless all clients reach it")
	default:
		return okf("%s is reached from here, and clients are sent there", name)
	}
}

// near returns the first address that not everybody reaches; none where there is
// none.
func near(addresses []netip.Addr) netip.Addr {
	for _, address := range addresses {
		if ip := address.Unmap(); ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() {
			return ip
		}
	}
	return netip.Addr{}
}
