package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// registryTLS starts an empty CNCF Distribution 2.8 with HTTPS.
func (s *stage) registryTLS(shown certificate) (*server, error) {
	started, err := s.serve("registry-tls", func(address string) (string, []string, error) {
		program, err := s.tool(distribution2)
		if err != nil {
			return "", nil, err
		}
		file := filepath.Join(s.dir, "registry-tls.yml")
		config := fmt.Sprintf("version: 0.1\nstorage:\n  filesystem: {rootdirectory: %s}\nhttp: {addr: %s, secret: x, tls: {certificate: %s, key: %s}}\n",
			filepath.Join(s.dir, "registry-tls"), address, shown.certFile, shown.keyFile)
		return program, []string{"serve", file}, os.WriteFile(file, []byte(config), 0o600)
	})
	return started.secured(), err
}

// secured says that the server is asked by HTTPS.
func (s *server) secured() *server {
	if s != nil {
		s.url = "https://" + s.address
	}
	return s
}

// nginxTLS is [stage.nginx] with HTTPS and HTTP/2, and the cipher and curve that
// Go prefers.
func (s *stage) nginxTLS(name string, shown certificate, above, block string) (*server, error) {
	started, err := s.nginxListening(name, "ssl http2", above, fmt.Sprintf(`
    ssl_certificate %s;
    ssl_certificate_key %s;
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    ssl_ecdh_curve X25519;
    ssl_session_cache shared:sessions:10m;
    ssl_session_tickets on;
    %s`, shown.certFile, shown.keyFile, block))
	return started.secured(), err
}

// peersOf starts the proxies that backref is compared with, in front of a
// registry.
func (t *tlsServers) peersOf(kind string, registry *server) ([]peer, error) {
	scheme, verify := "http", ""
	if strings.HasPrefix(registry.url, "https:") {
		scheme = "https"
		verify = fmt.Sprintf("proxy_ssl_trusted_certificate %s; proxy_ssl_verify on; proxy_ssl_name localhost; proxy_ssl_protocols TLSv1.3; proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;", t.certificate.certFile)
	}
	nginx, err := t.nginxTLS("nginx-"+kind, t.certificate,
		fmt.Sprintf("upstream registry { server %s; keepalive 256; keepalive_requests 1000000000; }", registry.address),
		proxyBlock(scheme, verify))
	if err != nil {
		return nil, err
	}
	plain, err := t.self("reverse-proxy-"+kind, peerProxy, registry.url, t.certificate.certFile, t.certificate.keyFile)
	return []peer{{name: nginxProxy, server: nginx}, {name: reverseProxy, server: plain.secured()}}, err
}

// proxies are peersOf, and the builds of backref.
func (t *tlsServers) proxies(kind string, registry *server) ([]peer, error) {
	peers, err := t.peersOf(kind, registry)
	if err != nil {
		return nil, err
	}
	settings := []string{"server.tls.certFile=" + t.certificate.certFile, "server.tls.keyFile=" + t.certificate.keyFile}
	if strings.HasPrefix(registry.url, "https:") {
		settings = append(settings, "upstream.tls.caFile="+t.certificate.certFile)
	}
	for _, of := range t.builds() {
		started, err := t.startBuild(of, "backref-"+kind, registry.url, filepath.Join(t.dir, kind+of.suffix+".db"), settings...)
		if err != nil {
			return nil, err
		}
		peers = append(peers, peer{name: of.contender(backrefName), server: started.secured(), lists: true})
	}
	return peers, nil
}
