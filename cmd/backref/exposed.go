package main

import (
	"net"
	"slices"

	"go.uber.org/zap"

	"github.com/backref/backref/config"
)

// sayExposed tells the operator what others than this machine can see or reach by
// the listeners as they are.
func (s *server) sayExposed() {
	exposed := slices.IndexFunc(s.fronts(), listensElsewhere)
	if exposed >= 0 && s.config.Server.TLS.CertFile == "" && len(s.config.Server.TrustedProxies) == 0 && passwordsCome(s.config) {
		s.log.Warn("passwords and tokens of clients come in the clear: set server.tls.certFile and server.tls.keyFile, "+
			"listen on a loopback address, or name the proxy at which TLS ends in server.trustedProxies", zap.Stringer("listen", s.fronts()[exposed].Addr()))
	}
	if s.admin.server != nil && listensElsewhere(s.admin) && s.config.Admin.TokenFile == "" {
		s.log.Info("the admin listener shows health, metrics and profiles to other machines, and refuses them all else: "+
			"set admin.tokenFile for operators and notifications from there", zap.Stringer("adminListen", s.admin.Addr()))
	}
}

// listensElsewhere tells whether a listener can be reached from other machines.
func listensElsewhere(l listener) bool {
	address, is := l.Addr().(*net.TCPAddr)
	return !is || !address.IP.IsLoopback()
}

// passwordsCome tells whether clients are likely to send credentials that are worth
// protecting: to sign in to backref, or to a registry that takes them by TLS alone.
func passwordsCome(cfg config.Config) bool {
	if cfg.Auth.Mode == config.AuthService {
		return cfg.Auth.HtpasswdFile != "" || len(cfg.Auth.Issuers) > 0
	}
	return cfg.Upstream.URL.Scheme == "https"
}
