package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
)

func TestUpstreamBelowAPath(t *testing.T) {
	f := newFixture(t, func(c *config.Config) { c.Upstream.URL = c.Upstream.URL.JoinPath("api/docker/") })
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Location", r.URL.EscapedPath()+"1?x=y")
		return true
	})
	got := f.do(http.MethodPost, "/v2/a/blobs/uploads/", nil)
	if seen := f.registry.seen(); len(seen) != 1 || seen[0] != "POST /api/docker/v2/a/blobs/uploads/" {
		t.Errorf("upstream saw %v", seen)
	}
	if location := got.header.Get("Location"); location != "/v2/a/blobs/uploads/1?x=y" {
		t.Errorf("Location %q", location)
	}
}

func TestHeadersForTheOtherEndOnly(t *testing.T) {
	f := newFixture(t)
	var upstreamSaw http.Header
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		upstreamSaw = r.Header.Clone()
		w.Header().Set("Warning", `299 - "old"`)
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		w.Header().Set("Keep-Alive", "timeout=5")
		return true
	})
	got := f.do(http.MethodGet, "/v2/", nil, "Authorization", "Basic eA==", "Te", "gzip", "Connection", "X-Private",
		"X-Private", "1", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "evil.example.com", "Forwarded", "host=evil.example.com",
		"X-Request-Id", "chosen-by-client")
	for _, name := range []string{"Te", "Connection", "X-Private", "X-Forwarded-Host", "Forwarded", "Keep-Alive"} {
		if values, given := upstreamSaw[name]; given {
			t.Errorf("upstream saw %s: %q", name, values)
		}
	}
	if upstreamSaw.Get("Authorization") != "Basic eA==" {
		t.Error("upstream did not see the credentials")
	}
	if address := upstreamSaw.Get("X-Forwarded-For"); address != "127.0.0.1" {
		t.Errorf("X-Forwarded-For %q", address)
	}
	if id := got.header.Get("X-Request-Id"); id == "chosen-by-client" || id != upstreamSaw.Get("X-Request-Id") {
		t.Errorf("X-Request-Id %q to the client, %q upstream", id, upstreamSaw.Get("X-Request-Id"))
	}
	if got.header.Get("Warning") == "" || got.header.Get("Docker-Distribution-Api-Version") == "" || got.header.Get("Keep-Alive") != "" {
		t.Errorf("client saw %v", got.header)
	}
}

func TestTrailersPass(t *testing.T) {
	f := newFixture(t)
	f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Trailer", "X-Checksum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Checksum", "42")
		return true
	})
	resp, err := http.Get(f.url + "/v2/_catalog")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	if resp.Trailer.Get("X-Checksum") != "42" {
		t.Errorf("trailer %v", resp.Trailer)
	}
}

func TestABodyThatBreaksOffLooksBroken(t *testing.T) {
	for name, chunked := range map[string]bool{"with length": false, "chunked": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
				if !chunked {
					w.Header().Set("Content-Length", "100")
				}
				_, _ = io.WriteString(w, "half")
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			})
			resp, err := http.Get(f.url + "/v2/a/blobs/" + digest.FromString("x").String())
			if err != nil {
				return
			}
			defer func() { _ = resp.Body.Close() }()
			if body, err := io.ReadAll(resp.Body); err == nil {
				t.Errorf("client read %q and believes it whole", body)
			}
		})
	}
}

func TestAClientThatLeavesEndsItsUpstreamRequest(t *testing.T) {
	f := newFixture(t)
	arrived, ended := make(chan struct{}), make(chan struct{})
	f.registry.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		close(arrived)
		<-r.Context().Done()
		close(ended)
		return true
	})
	base, err := url.Parse(f.url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", base.Host)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET /v2/a/blobs/%s HTTP/1.1\r\nHost: x\r\n\r\n", digest.FromString("x")); err != nil {
		t.Fatal(err)
	}
	<-arrived
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	<-ended
}

func TestExpectContinueWaitsForTheUpstream(t *testing.T) {
	f := newFixture(t)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Got", string(body))
		w.WriteHeader(http.StatusCreated)
		return true
	})
	base, err := url.Parse(f.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ auth, firstLine string }{
		{"", "HTTP/1.1 401 Unauthorized"},
		{"Authorization: Basic eA==\r\n", "HTTP/1.1 100 Continue"},
	} {
		conn, err := net.Dial("tcp", base.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = fmt.Fprintf(conn, "PUT /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n%s\r\n", c.auth)
		reader := bufio.NewReader(conn)
		line, err := reader.ReadString('\n')
		if err != nil || strings.TrimSpace(line) != c.firstLine {
			t.Fatalf("first line %q, %v, want %q", line, err, c.firstLine)
		}
		if c.auth == "" {
			continue
		}
		_, _ = io.WriteString(conn, "blob")
		rest, _ := reader.ReadString('\n') // the empty line after 100
		status, _ := reader.ReadString('\n')
		if strings.TrimSpace(rest) != "" || !strings.Contains(status, "201") {
			t.Errorf("then %q %q", rest, status)
		}
	}
}

func TestManifestLimit(t *testing.T) {
	f := newFixture(t, func(c *config.Config) { c.Limits.ManifestSize = 1000 })
	for name, length := range map[string]bool{"announced": true, "chunked": false} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, f.url+"/v2/a/manifests/x", strings.NewReader(strings.Repeat("x", 1001)))
			if err != nil {
				t.Fatal(err)
			}
			if !length {
				req.ContentLength = -1
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(body), `"SIZE_INVALID"`) {
				t.Errorf("status %d: %s", resp.StatusCode, body)
			}
			if seen := f.registry.seen(); len(seen) != 0 {
				t.Errorf("upstream saw %v", seen)
			}
		})
	}
}

func TestUpstreamThatIsNotThere(t *testing.T) {
	f := newFixture(t, func(c *config.Config) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c.Upstream.URL.Host = listener.Addr().String()
		_ = listener.Close()
	})
	got := f.do(http.MethodGet, "/v2/", nil)
	if got.status != http.StatusBadGateway || got.header.Get("Retry-After") == "" || !strings.Contains(string(got.body), `"UNAVAILABLE"`) {
		t.Errorf("status %d: %v %s", got.status, got.header, got.body)
	}
}

func TestUnknownMethodsEndHere(t *testing.T) {
	f := newFixture(t)
	asked := false
	f.registry.answer(func(http.ResponseWriter, *http.Request) bool {
		asked = true
		return true
	})
	if got := f.do("PURGE", "/v2/a/manifests/latest", nil); got.status != http.StatusMethodNotAllowed || asked {
		t.Errorf("status %d, asked %t", got.status, asked)
	}
}
