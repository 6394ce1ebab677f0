package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/backref/backref/config"
)

// certificates are what a listener speaks TLS by. The latest count for the
// connections that begin.
type certificates struct {
	// key begins the names of the configuration's keys.
	key    string
	latest atomic.Pointer[tls.Config]
}

// listenerTLS returns what a listener speaks TLS by; nil for plain HTTP.
func listenerTLS(key string, cfg config.ServerTLS) (*certificates, error) {
	if cfg.CertFile == "" {
		return nil, nil
	}
	c := &certificates{key: key}
	apply, err := c.prepare(cfg)
	if err != nil {
		return nil, err
	}
	apply()
	return c, nil
}

// config returns what a [http.Server] needs; nil for plain HTTP.
func (c *certificates) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.latest.Load(), nil },
	}
}

// prepare reads the files, and returns what has them count. A listener that
// speaks no TLS stays so.
func (c *certificates) prepare(cfg config.ServerTLS) (apply func(), err error) {
	if c == nil {
		return func() {}, nil
	}
	loaded, err := loadTLS(c.key, cfg)
	if err != nil {
		return nil, err
	}
	return func() { c.latest.Store(loaded) }, nil
}

func loadTLS(key string, cfg config.ServerTLS) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	loaded := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if cfg.MinVersion == config.TLS13 {
		loaded.MinVersion = tls.VersionTLS13
	}
	switch cfg.ClientAuth {
	case config.ClientAuthRequest:
		loaded.ClientAuth = tls.VerifyClientCertIfGiven
	case config.ClientAuthRequire:
		loaded.ClientAuth = tls.RequireAndVerifyClientCert
	default:
		return loaded, nil
	}
	loaded.ClientCAs, err = readAuthorities(x509.NewCertPool(), cfg.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("%s.clientCAFile: %w", key, err)
	}
	return loaded, nil
}

// readAuthorities adds the certificates of a PEM file to a pool.
func readAuthorities(pool *x509.CertPool, path string) (*x509.CertPool, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, errors.New("the file holds no certificate in PEM")
	}
	return pool, nil
}

// adminClientTLS returns what the command line speaks TLS to an admin listener
// by: trusted are the certificates of the configuration, or else those of the
// system.
func adminClientTLS(cfg config.Admin) (*tls.Config, error) {
	client := cfg.Client
	speak := &tls.Config{ServerName: client.ServerName, MinVersion: tls.VersionTLS12}
	key, trusted := "admin.client.caFile", client.CAFile
	if trusted == "" {
		key, trusted = "admin.tls.certFile", cfg.TLS.CertFile
	}
	if trusted != "" {
		roots, err := readAuthorities(x509.NewCertPool(), trusted)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		speak.RootCAs = roots
	}
	if client.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(client.CertFile, client.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("admin.client: %w", err)
		}
		speak.Certificates = []tls.Certificate{pair}
	}
	return speak, nil
}
