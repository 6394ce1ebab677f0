package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// Requests by HTTPS, with the registry behind by HTTP or HTTPS.
const (
	tlsRepository = "bench/tls"
	tlsReferrers  = 10
	// tlsSuite is what all servers and clients agree on: it is what Go prefers
	// where the processor has AES, and what nginx is told.
	tlsSuite = tls.TLS_AES_128_GCM_SHA256
)

// tlsCase says what is asked for, by which protocol, and whether the registry
// behind has HTTPS too.
type tlsCase struct {
	http2  bool
	what   string
	behind bool
}

// What is asked for.
const (
	tlsListing  = "referrers"
	tlsManifest = "manifests"
	tlsBlob     = "blobs"
)

func (c tlsCase) name() string {
	name := "tls/http1/" + c.what
	if c.http2 {
		name = "tls/http2/" + c.what
	}
	if c.behind {
		name += "/https-behind"
	}
	return name
}

func (c tlsCase) about() string {
	what := map[string]string{
		tlsListing:  fmt.Sprintf("All of %d referrers", tlsReferrers),
		tlsManifest: "GET of an image manifest by digest",
		tlsBlob:     "GET of a blob of 64 MiB",
	}[c.what] + " by HTTPS, HTTP/1.1"
	if c.http2 {
		what = strings.Replace(what, "HTTP/1.1", "HTTP/2", 1)
	}
	switch {
	case c.what == tlsListing:
		return what + "; nginx proxy_pass and ReverseProxy are in front of a registry with native referrers (olareg)."
	case c.behind:
		return what + ", the registry behind by HTTPS too."
	default:
		return what + ", the registry behind by HTTP."
	}
}

func tlsCases() []tlsCase {
	var cases []tlsCase
	for _, http2 := range []bool{false, true} {
		cases = append(cases,
			tlsCase{http2, tlsListing, false},
			tlsCase{http2, tlsManifest, false}, tlsCase{http2, tlsManifest, true},
			tlsCase{http2, tlsBlob, false}, tlsCase{http2, tlsBlob, true})
	}
	return cases
}

func tlsFamily() family {
	f := family{prepare: prepareTLS}
	for _, c := range tlsCases() {
		f.cases = append(f.cases, c.name())
	}
	return f
}

// tlsServers are the peers, by what is behind them.
type tlsServers struct {
	*stage
	certificate certificate
	client      *client
	image       rig.Manifest
	blob        []byte
	// plain and secure are in front of a registry with HTTP and HTTPS, native
	// in front of a registry with native referrers.
	plain, secure, native []peer
}

func prepareTLS(ctx context.Context, s *stage) ([]comparison, error) {
	t := &tlsServers{stage: s, client: newClient(), image: realImage(tlsRepository), blob: fixedBlob()}
	var err error
	if t.certificate, err = s.certificate(); err != nil {
		return nil, err
	}
	trust, err := trusting(t.certificate.certFile)
	if err != nil {
		return nil, err
	}
	transport := newTransport()
	transport.TLSClientConfig = trust
	t.client.Transport = transport
	if err := t.start(ctx); err != nil {
		return nil, err
	}
	var comparisons []comparison
	for _, c := range tlsCases() {
		if !s.scenario.MatchString(c.name()) {
			continue
		}
		made, err := t.comparison(ctx, c, trust)
		if err != nil {
			return nil, err
		}
		comparisons = append(comparisons, made)
	}
	return comparisons, nil
}

// start starts the registries, fills them, and starts the proxies.
func (t *tlsServers) start(ctx context.Context) error {
	registry, err := t.registry(distribution2)
	if err != nil {
		return err
	}
	secure, err := t.registryTLS(t.certificate)
	if err != nil {
		return err
	}
	olareg, err := t.olareg()
	if err != nil {
		return err
	}
	for _, server := range []*server{registry, secure, olareg} {
		if err := t.client.pushEmpty(ctx, server.url, tlsRepository); err != nil {
			return err
		}
		if _, err := t.client.pushManifest(ctx, server.url, tlsRepository, "latest", t.image); err != nil {
			return err
		}
	}
	for _, server := range []*server{registry, secure} {
		if err := t.client.pushBlob(ctx, server.url, tlsRepository, digest.FromBytes(t.blob), t.blob); err != nil {
			return err
		}
	}
	if t.plain, err = t.proxies("plain", registry); err != nil {
		return err
	}
	if t.secure, err = t.proxies("secure", secure); err != nil {
		return err
	}
	if t.native, err = t.peersOf("native", olareg); err != nil {
		return err
	}
	pushed := []*server{olareg}
	for _, p := range t.plain {
		if p.lists {
			pushed = append(pushed, p.server)
		}
	}
	for _, server := range pushed {
		for i := range tlsReferrers {
			if _, err := t.client.pushManifest(ctx, server.url, tlsRepository, "", referrer(t.image.Descriptor(), tlsRepository, i)); err != nil {
				return err
			}
		}
	}
	return t.startFiles(ctx)
}

// startFiles starts nginx with backref's listing as a file.
func (t *tlsServers) startFiles(ctx context.Context) error {
	first := t.plain[len(t.plain)-len(t.builds())].server
	_, body, err := t.client.send(ctx, http.StatusOK, http.MethodGet, first.url+t.path(tlsListing), nil)
	if err != nil {
		return err
	}
	root := filepath.Join(t.dir, "files")
	file := filepath.Join(root, t.path(tlsListing))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, body, 0o644); err != nil {
		return err
	}
	files, err := t.nginxTLS("nginx-files", t.certificate, "", fmt.Sprintf("root %s; types { } default_type %s; add_header Cache-Control \"private, no-cache\";", root, mediaTypeIndex))
	t.native = append([]peer{{name: nginxFiles, server: files}}, t.native...)
	return err
}

func (t *tlsServers) path(what string) string {
	base := "/v2/" + tlsRepository + "/"
	switch what {
	case tlsListing:
		return base + "referrers/" + t.image.Digest().String()
	case tlsManifest:
		return base + "manifests/" + t.image.Digest().String()
	default:
		return base + "blobs/" + digest.FromBytes(t.blob).String()
	}
}

// peers are those of a case.
func (t *tlsServers) peers(c tlsCase) []peer {
	switch {
	case c.what == tlsListing:
		return append(t.native[:len(t.native):len(t.native)], t.plain[len(t.plain)-len(t.builds()):]...)
	case c.behind:
		return t.secure
	default:
		return t.plain
	}
}

// comparison asks all peers once, to see that they answer right and agree on
// protocol and cipher, and returns how they are measured.
func (t *tlsServers) comparison(ctx context.Context, c tlsCase, trust *tls.Config) (comparison, error) {
	made := comparison{
		name: c.name(), about: c.about(), metrics: []string{metricRequests, metricCPURequest},
		bases: []string{nginxProxy, reverseProxy}, warm: true,
	}
	if c.what == tlsBlob {
		made.metrics = []string{metricMegabyte, metricCPUMebibyte}
	}
	run := t.wrk
	if c.http2 {
		run = t.h2load
	}
	for _, p := range t.peers(c) {
		if err := t.check(ctx, c, p.server, trust); err != nil {
			return made, fmt.Errorf("%s: %s: %w", c.name(), p.name, err)
		}
		l := load{server: p.server, paths: []string{t.path(c.what)}, headers: []string{acceptManifests}, connections: t.connections}
		made.contenders = append(made.contenders, contender{name: p.name, measure: func(ctx context.Context, duration time.Duration) (sample, error) {
			return p.server.watchCPU(func() (sample, error) { return run(ctx, l, duration) })
		}})
	}
	return made, nil
}

// check asks once, and looks at what was agreed on.
func (t *tlsServers) check(ctx context.Context, c tlsCase, server *server, trust *tls.Config) error {
	_, body, err := t.client.send(ctx, http.StatusOK, http.MethodGet, server.url+t.path(c.what), nil, "Accept", acceptManifests[len("Accept: "):])
	if err != nil {
		return err
	}
	switch c.what {
	case tlsListing:
		listed, err := entries(body)
		if err != nil || len(listed) != tlsReferrers {
			return fmt.Errorf("%d referrers, want %d: %w", len(listed), tlsReferrers, err)
		}
	case tlsManifest:
		if digest.FromBytes(body) != t.image.Digest() {
			return errors.New("another manifest than expected")
		}
	default:
		if digest.FromBytes(body) != digest.FromBytes(t.blob) {
			return errors.New("another blob than expected")
		}
	}
	config := trust.Clone()
	config.NextProtos = []string{"http/1.1"}
	if c.http2 {
		config.NextProtos = []string{"h2"}
	}
	var dialer net.Dialer
	below, err := dialer.DialContext(ctx, "tcp", server.address)
	if err != nil {
		return err
	}
	defer func() { _ = below.Close() }()
	config.ServerName = "localhost"
	connection := tls.Client(below, config)
	if err := connection.HandshakeContext(ctx); err != nil {
		return err
	}
	state := connection.ConnectionState()
	if state.Version != tls.VersionTLS13 || state.CipherSuite != tlsSuite || state.NegotiatedProtocol != config.NextProtos[0] {
		return fmt.Errorf("agreed on %s, %s and %q", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite), state.NegotiatedProtocol)
	}
	return nil
}
