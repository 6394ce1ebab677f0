package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index/bolt"
)

// running is a server that was started on free ports.
type running struct {
	*server
	index string
	stop  context.CancelFunc
	// ended has what Run returned.
	ended chan error
}

// configFor returns a configuration for a server in front of a registry.
func configFor(t *testing.T, registry string) config.Config {
	t.Helper()
	base, err := url.Parse(registry)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Upstream.URL = base
	cfg.Server.Listen, cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Index.Path = filepath.Join(t.TempDir(), "index.db")
	return cfg
}

func start(t *testing.T, cfg config.Config) *running {
	t.Helper()
	return startLogging(t, cfg, io.Discard)
}

func startLogging(t *testing.T, cfg config.Config, log io.Writer) *running {
	t.Helper()
	s, err := newServer(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &running{server: s, index: cfg.Index.Path, stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- s.Run(ctx) }()
	t.Cleanup(stop)
	return r
}

// wait returns what Run returned, and makes sure that the index is free.
func (r *running) wait(t *testing.T) error {
	t.Helper()
	err := <-r.ended
	requireFree(t, r.index)
	return err
}

func requireFree(t *testing.T, path string) {
	t.Helper()
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// get returns the status and body of an answer; a status of 0 says that there
// was none.
func get(client *http.Client, url string) (int, string) {
	resp, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it never came to this: %s", what)
}

// slowRegistry answers once it is released. Its request arrives on the first
// channel, and what ended it on the second.
func slowRegistry(t *testing.T, release <-chan struct{}) (registry *httptest.Server, arrived, gone chan struct{}) {
	t.Helper()
	arrived, gone = make(chan struct{}, 1), make(chan struct{}, 1)
	registry = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() == "backref" {
			// It looks whether there is a registry.
			return
		}
		arrived <- struct{}{}
		select {
		case <-release:
			_, _ = io.WriteString(w, "{}")
		case <-r.Context().Done():
			gone <- struct{}{}
		}
	}))
	t.Cleanup(registry.Close)
	return registry, arrived, gone
}

func TestRequestsUnderWayFinishBeforeTheEnd(t *testing.T) {
	release := make(chan struct{})
	registry, arrived, _ := slowRegistry(t, release)
	s := start(t, configFor(t, registry.URL))
	admin, front := "http://"+s.admin.Addr().String(), "http://"+s.front.Addr().String()
	eventually(t, "ready", func() bool {
		status, _ := get(http.DefaultClient, admin+"/readyz")
		return status == http.StatusOK
	})

	status := make(chan int)
	go func() {
		code, _ := get(&http.Client{Transport: &http.Transport{}}, front+"/v2/")
		status <- code
	}()
	<-arrived
	s.stop()
	eventually(t, "readiness is off", func() bool {
		status, _ := get(http.DefaultClient, admin+"/readyz")
		return status == http.StatusServiceUnavailable
	})
	eventually(t, "no new connection is taken", func() bool {
		conn, err := net.Dial("tcp", s.front.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	close(release)
	if got := <-status; got != http.StatusOK {
		t.Errorf("the request under way got %d", got)
	}
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
}

// After server.shutdownDelay the end is as without one.
func TestTheEndComesAfterTheDelay(t *testing.T) {
	cfg := configFor(t, "http://127.0.0.1:9")
	cfg.Server.ShutdownDelay = 10 * time.Millisecond
	s := start(t, cfg)
	s.stop()
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
}

func TestRequestsAreBrokenOffWhenTheTimeIsOver(t *testing.T) {
	registry, arrived, gone := slowRegistry(t, nil)
	cfg := configFor(t, registry.URL)
	cfg.Server.DrainTimeout = 0
	s := start(t, cfg)
	status := make(chan int)
	go func() {
		code, _ := get(&http.Client{Transport: &http.Transport{}}, "http://"+s.front.Addr().String()+"/v2/")
		status <- code
	}()
	<-arrived
	s.stop()
	if got := <-status; got != 0 {
		t.Errorf("the request was answered with %d", got)
	}
	<-gone
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
}

func TestOneListenerThatFailsStopsAll(t *testing.T) {
	s := start(t, configFor(t, "http://127.0.0.1:9"))
	if err := s.admin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.wait(t); err == nil {
		t.Error("it ended without an error")
	}
	if conn, err := net.Dial("tcp", s.front.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("the other listener is still there")
	}
}

func TestTakenAddressIsNamedAndNothingIsHeld(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	cfg := configFor(t, "http://127.0.0.1:9")
	cfg.Admin.Listen = taken.Addr().String()
	_, err = newServer(t.Context(), cfg, io.Discard)
	if err == nil || !strings.HasPrefix(err.Error(), "admin.listen: ") || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
	requireFree(t, cfg.Index.Path)
}

func TestAdminListenerCanBeOff(t *testing.T) {
	cfg := configFor(t, "http://127.0.0.1:9")
	cfg.Admin.Listen = ""
	s := start(t, cfg)
	s.stop()
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
}

func TestMetricsTellOfTheProcess(t *testing.T) {
	s := start(t, configFor(t, "http://127.0.0.1:9"))
	_, body := get(http.DefaultClient, "http://"+s.admin.Addr().String()+"/metrics")
	for _, name := range []string{"go_goroutines", "backref_requests_in_flight"} {
		if !strings.Contains(body, "\n"+name+" ") {
			t.Errorf("no %s", name)
		}
	}
	s.stop()
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
}

func TestHTTPS(t *testing.T) {
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{}")
	}))
	defer registry.Close()
	cfg := configFor(t, registry.URL)
	var trust *x509.CertPool
	cfg.Server.TLS, trust = certificate(t)
	s := start(t, cfg)
	for _, protocol := range []int{1, 2} {
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP1(protocol == 1)
		transport.Protocols.SetHTTP2(protocol == 2)
		transport.TLSClientConfig = &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}
		resp, err := (&http.Client{Transport: transport}).Get("https://" + s.front.Addr().String() + "/v2/")
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK || resp.ProtoMajor != protocol {
			t.Errorf("asked by HTTP/%d, got %d by %s", protocol, resp.StatusCode, resp.Proto)
		}
		_ = resp.Body.Close()
		transport.CloseIdleConnections()
	}
	s.stop()
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
}

// certificate writes the files of a certificate for 127.0.0.1: the one that
// httptest has.
func certificate(t *testing.T) (config.ServerTLS, *x509.CertPool) {
	t.Helper()
	donor := httptest.NewTLSServer(http.NotFoundHandler())
	defer donor.Close()
	pair := donor.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	files := config.ServerTLS{
		CertFile: filepath.Join(t.TempDir(), "cert.pem"),
		KeyFile:  filepath.Join(t.TempDir(), "key.pem"),
	}
	for path, block := range map[string]*pem.Block{
		files.CertFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		files.KeyFile:  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trust := x509.NewCertPool()
	trust.AddCert(donor.Certificate())
	return files, trust
}
