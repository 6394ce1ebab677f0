package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/config"
)

// recheckFiles is how long after a look at the files of a listener a handshake
// goes without another.
const recheckFiles = time.Second

// certificates are the files of a listener that serves TLS, read again when
// they change.
type certificates struct {
	// key begins the names of the configuration's keys.
	key    string
	config config.ServerTLS
	log    *zap.Logger
	now    func() time.Time

	mutex   sync.Mutex
	checked time.Time
	seen    []fs.FileInfo
	current *tls.Config
}

// listenerTLS returns what a listener speaks TLS by; nil for plain HTTP.
func listenerTLS(key string, cfg config.ServerTLS, log *zap.Logger, now func() time.Time) (*tls.Config, error) {
	if cfg.CertFile == "" {
		return nil, nil
	}
	c := &certificates{key: key, config: cfg, log: log, now: now}
	if _, err := c.latest(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.latest() },
	}, nil
}

// latest returns what the files say. Where new ones can't be used, the last
// good ones stay: half of a pair is new while the other half is being written.
func (c *certificates) latest() (*tls.Config, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	now := c.now()
	if c.current != nil && now.Sub(c.checked) < recheckFiles {
		return c.current, nil
	}
	c.checked = now
	// Looked at before they are read, so that a change meanwhile is seen later.
	seen := c.look()
	if c.current != nil && sameFiles(seen, c.seen) {
		return c.current, nil
	}
	loaded, err := c.load()
	switch {
	case err == nil && c.current != nil:
		c.log.Info("certificates were read again", zap.String("key", c.key))
	case err != nil && c.current != nil:
		c.log.Error("new certificates can't be used; the last ones stay", zap.String("key", c.key), zap.Error(err))
		loaded = c.current
	case err != nil:
		return nil, err
	}
	c.seen, c.current = seen, loaded
	return loaded, nil
}

// look returns the state of each file; nil for one that can't be seen.
func (c *certificates) look() []fs.FileInfo {
	var seen []fs.FileInfo
	for _, path := range []string{c.config.CertFile, c.config.KeyFile, c.config.ClientCAFile} {
		info, err := os.Stat(path)
		if err != nil {
			info = nil
		}
		seen = append(seen, info)
	}
	return seen
}

func sameFiles(a, b []fs.FileInfo) bool {
	for i := range a {
		switch {
		case a[i] == nil && b[i] == nil:
		case a[i] == nil || b[i] == nil:
			return false
		case !os.SameFile(a[i], b[i]) || a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime()):
			return false
		}
	}
	return true
}

func (c *certificates) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.config.CertFile, c.config.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.key, err)
	}
	loaded := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if c.config.MinVersion == config.TLS13 {
		loaded.MinVersion = tls.VersionTLS13
	}
	switch c.config.ClientAuth {
	case config.ClientAuthRequest:
		loaded.ClientAuth = tls.VerifyClientCertIfGiven
	case config.ClientAuthRequire:
		loaded.ClientAuth = tls.RequireAndVerifyClientCert
	default:
		return loaded, nil
	}
	loaded.ClientCAs, err = readAuthorities(x509.NewCertPool(), c.config.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("%s.clientCAFile: %w", c.key, err)
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
