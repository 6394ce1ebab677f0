package config

import (
	"errors"
	"net/url"
)

// The values of [ServerTLS.MinVersion].
const (
	TLS12 = "1.2"
	TLS13 = "1.3"
)

// The values of [ServerTLS.ClientAuth].
const (
	ClientAuthNone    = "none"
	ClientAuthRequest = "request"
	ClientAuthRequire = "require"
)

// ServerTLS is how a listener speaks TLS. Without a certificate it serves
// plain HTTP.
type ServerTLS struct {
	CertFile     string `key:"certFile" doc:"PEM file with the certificate and its chain." reload:"true" file:"true"`
	KeyFile      string `key:"keyFile" doc:"PEM file with the private key." reload:"true" file:"true"`
	MinVersion   string `key:"minVersion" doc:"The oldest version of TLS that is spoken." enum:"1.2,1.3" reload:"true"`
	ClientAuth   string `key:"clientAuth" doc:"Whether clients prove themselves with certificates: none doesn't ask, request refuses only those with a wrong one, require refuses those without one." enum:"none,request,require" reload:"true"`
	ClientCAFile string `key:"clientCAFile" doc:"PEM file with the authorities that sign clients' certificates." reload:"true" file:"true"`
}

// AdminClient is how the command line speaks TLS to the admin listener.
type AdminClient struct {
	CAFile     string `key:"caFile" doc:"PEM file with the authorities that sign the listener's certificate; empty trusts the certificate of admin.tls.certFile itself." reload:"true"`
	ServerName string `key:"serverName" doc:"The name that the listener's certificate is for; empty for the host of admin.listen." reload:"true"`
	CertFile   string `key:"certFile" doc:"PEM file with the certificate to show where admin.tls.clientAuth asks for one." reload:"true"`
	KeyFile    string `key:"keyFile" doc:"PEM file with its private key." reload:"true"`
}

// UpstreamTLS is how TLS is spoken to the registry and its token service.
// There is no way not to verify it.
type UpstreamTLS struct {
	CAFile   string `key:"caFile" doc:"PEM file with authorities that are trusted beside the system's, for the registry and its token service." reload:"true" file:"true"`
	CertFile string `key:"certFile" doc:"PEM file with the certificate to show to the registry." reload:"true" file:"true"`
	KeyFile  string `key:"keyFile" doc:"PEM file with its private key." reload:"true" file:"true"`
}

// checkTLS validates what belongs together.
func checkTLS(cfg *Config, check func(path string, err error)) {
	for _, pair := range []struct{ prefix, cert, key string }{
		{"server.tls", cfg.Server.TLS.CertFile, cfg.Server.TLS.KeyFile},
		{"admin.tls", cfg.Admin.TLS.CertFile, cfg.Admin.TLS.KeyFile},
		{"admin.client", cfg.Admin.Client.CertFile, cfg.Admin.Client.KeyFile},
	} {
		check(pair.prefix+".certFile", checkPair(pair.cert, pair.key, pair.prefix+".keyFile"))
		check(pair.prefix+".keyFile", checkPair(pair.key, pair.cert, pair.prefix+".certFile"))
	}
	checkClientAuth("server.tls", cfg.Server.TLS, check)
	checkClientAuth("admin.tls", cfg.Admin.TLS, check)
	checkUpstreamTLS("upstream", cfg.Upstream.TLS, cfg.Upstream.URL, check)
}

// checkUpstreamTLS validates how TLS is spoken to the registry at a URL, which a
// section describes.
func checkUpstreamTLS(section string, tls UpstreamTLS, at *url.URL, check func(path string, err error)) {
	cert, key := section+".tls.certFile", section+".tls.keyFile"
	check(cert, checkPair(tls.CertFile, tls.KeyFile, key))
	check(key, checkPair(tls.KeyFile, tls.CertFile, cert))
	if at != nil && at.Scheme == "http" && tls.CertFile != "" {
		check(cert, errors.New("has no effect where "+section+".url begins with http://"))
	}
}

func checkClientAuth(prefix string, listener ServerTLS, check func(path string, err error)) {
	asks := listener.ClientAuth == ClientAuthRequest || listener.ClientAuth == ClientAuthRequire
	switch {
	case asks && listener.CertFile == "":
		check(prefix+".clientAuth", errors.New("needs "+prefix+".certFile beside it"))
	case asks && listener.ClientCAFile == "":
		check(prefix+".clientAuth", errors.New("needs "+prefix+".clientCAFile beside it"))
	case !asks && listener.ClientCAFile != "":
		check(prefix+".clientCAFile", errors.New("has no effect with clientAuth: none; set "+prefix+".clientAuth to request or require"))
	}
}
