package options

import (
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/backref/backref/config"
	"github.com/backref/backref/upstream"
)

// All that can be said of a registry is taken from the configuration, each from
// its key.
func TestUpstream(t *testing.T) {
	cfg := config.Upstream{
		URL: &url.URL{Scheme: "http", Host: "registry.example"}, MaxIdleConnections: 7, Transport: config.TransportStandard,
		Service:  config.UpstreamService{Username: "user", Password: "password", PasswordFile: "file", DockerConfig: "docker", Anonymous: true},
		TLS:      config.UpstreamTLS{CAFile: "ca", CertFile: "cert", KeyFile: "key"},
		Timeouts: config.UpstreamTimeouts{Connect: 1, ResponseHeader: 2, Stall: 3, Idle: 4, Query: 5, Grace: time.Hour},
	}
	want := upstream.Options{
		URL: cfg.URL, MaxIdleConnections: 7, StandardTransport: true,
		Service:  upstream.Service{Username: "user", Password: "password", PasswordFile: "file", DockerConfig: "docker", Anonymous: true},
		TLS:      upstream.TLS{CAFile: "ca", CertFile: "cert", KeyFile: "key"},
		Timeouts: upstream.Timeouts{Connect: 1, ResponseHeader: 2, Stall: 3, Idle: 4, Query: 5},
	}
	got := Upstream(cfg)
	if got.Proxy == nil || got.Watch == nil {
		t.Error("no proxies, or nobody who watches")
	}
	got.Proxy, got.Watch = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}
