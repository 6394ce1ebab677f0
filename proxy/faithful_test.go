package proxy_test

import (
	"bufio"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
)

// onFronts runs a test with each of them, for a request that goes by backref's
// own connections to the registry (GET), and one by those of net/http (POST).
func onFronts(t *testing.T, f *fixture, test func(t *testing.T, to front, method string)) {
	t.Helper()
	for _, front := range f.fronts() {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(front.name+" "+method, func(t *testing.T) { test(t, front, method) })
		}
	}
}

// ask sends a request without a body. The caller closes that of the response.
func (f front) ask(t *testing.T, method, path string, trace *httptrace.ClientTrace) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), method, f.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := f.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// saysRaw has the registry answer everything with the same bytes, and close
// the connection.
func (o *oddRegistry) saysRaw(answer string) {
	o.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
		return true
	})
}

func TestAStatusOutlivesItsBody(t *testing.T) {
	f := newFixture(t)
	for name, answer := range map[string]string{
		"nothing":   "Content-Length: 100000\r\n\r\n",
		"a part":    "Content-Length: 100000\r\n\r\nrange can't be satisfied",
		"in chunks": "Transfer-Encoding: chunked\r\n\r\n5\r\nrange\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			onFronts(t, f, func(t *testing.T, to front, method string) {
				f.registry.saysRaw("HTTP/1.1 416 Requested Range Not Satisfiable\r\nX-Kept: yes\r\n" + answer)
				resp := to.ask(t, method, "/v2/a/blobs/"+digest.FromString("x").String(), &httptrace.ClientTrace{})
				if resp.StatusCode != http.StatusRequestedRangeNotSatisfiable || resp.Header.Get("X-Kept") != "yes" {
					t.Errorf("status %d, %v", resp.StatusCode, resp.Header)
				}
				_, part, _ := strings.Cut(answer, "\r\n\r\n")
				if body, err := io.ReadAll(resp.Body); err == nil || !strings.Contains(part, string(body)) {
					t.Errorf("body %q, %v", body, err)
				}
			})
		})
	}
}

func TestNoTypeIsMadeUp(t *testing.T) {
	f := newFixture(t)
	onFronts(t, f, func(t *testing.T, to front, method string) {
		f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header()["Content-Type"] = nil
			w.Header().Set("X-Content-Type-Options", "nosniff")
			_, _ = io.WriteString(w, "<html>")
			return true
		})
		resp := to.ask(t, method, "/v2/a/blobs/"+digest.FromString("x").String(), &httptrace.ClientTrace{})
		body, err := io.ReadAll(resp.Body)
		if values, given := resp.Header["Content-Type"]; given || err != nil || string(body) != "<html>" {
			t.Errorf("Content-Type %q, %d %q, %v", values, resp.StatusCode, body, err)
		}
	})
}

func TestTrailersThatNobodyAnnouncedPass(t *testing.T) {
	f := newFixture(t)
	for _, body := range []string{"", "body", strings.Repeat("x", 100_000)} {
		t.Run(fmt.Sprint(len(body)), func(t *testing.T) {
			onFronts(t, f, func(t *testing.T, to front, method string) {
				f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
					w.Header().Set("Trailer", "X-Announced")
					_, _ = io.WriteString(w, body)
					_ = http.NewResponseController(w).Flush()
					w.Header().Set("X-Announced", "1")
					w.Header().Set(http.TrailerPrefix+"X-Other", "2")
					w.Header().Set(http.TrailerPrefix+"Set-Cookie", "a=b")
					return true
				})
				resp := to.ask(t, method, "/v2/_catalog", &httptrace.ClientTrace{})
				got, err := io.ReadAll(resp.Body)
				if err != nil || string(got) != body || resp.Trailer.Get("X-Announced") != "1" || resp.Trailer.Get("X-Other") != "2" || len(resp.Trailer) != 2 {
					t.Errorf("%d bytes, %v, trailer %v", len(got), err, resp.Trailer)
				}
			})
		})
	}
}

func TestInformationalResponsesPass(t *testing.T) {
	f := newFixture(t)
	onFronts(t, f, func(t *testing.T, to front, method string) {
		f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("X-Early", "1")
			w.Header().Set("Link", "<"+f.upstreamURL+"/v2/x>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			delete(w.Header(), "X-Early")
			w.WriteHeader(http.StatusProcessing)
			w.Header().Del("Link")
			_, _ = io.WriteString(w, "body")
			return true
		})
		var seen []string
		resp := to.ask(t, method, "/v2/_catalog", &httptrace.ClientTrace{
			Got1xxResponse: func(status int, header textproto.MIMEHeader) error {
				names := slices.Sorted(maps.Keys(header))
				seen = append(seen, fmt.Sprintf("%d %v %s", status, names, header.Get("Link")))
				return nil
			},
		})
		want := []string{"103 [Link X-Early] </v2/x>; rel=preload", "102 [Link] </v2/x>; rel=preload"}
		if !slices.Equal(seen, want) {
			t.Errorf("got %q, want %q", seen, want)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != "body" || resp.Header.Get("X-Early") != "" || resp.Header.Get("Link") != "" || resp.Header.Get("X-Request-Id") == "" {
			t.Errorf("%q, %v, %v", body, err, resp.Header)
		}
	})
}

// HTTP/1.0 has no informational responses.
func TestHTTP10GetsTheFinalResponseAlone(t *testing.T) {
	f := newFixture(t)
	f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusEarlyHints)
		return true
	})
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "GET /v2/ HTTP/1.0\r\n\r\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
		t.Errorf("%q, %v", line, err)
	}
}

// Over HTTP/2 a path may hold what ends it in HTTP/1.1.
func TestNothingEndsTheRequestLineEarly(t *testing.T) {
	f := newFixture(t)
	targets := make(chan string, 16)
	f.registry.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		targets <- r.RequestURI
		return true
	})
	for _, to := range f.fronts()[1:] {
		for _, query := range []string{"a b", "a#b", "a\u00e9", "x HTTP/1.1"} {
			resp, err := to.client.Do((&http.Request{Method: http.MethodGet, URL: mustParse(t, to.url, "/token", query), Header: http.Header{}}).WithContext(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest || len(targets) != 0 {
				t.Errorf("%s: ?%s: status %d", to.name, query, resp.StatusCode)
			}
		}
		for path, want := range map[string]string{"/token a": "/token%20a", "/token#a": "/token%23a", "/t\u00f6": "/t%C3%B6", "/a\"b": "/a%22b"} {
			target := &url.URL{Scheme: "https", Host: strings.TrimPrefix(to.url, "https://"), Opaque: path, RawQuery: "q=[1]"}
			resp, err := to.client.Do((&http.Request{Method: http.MethodGet, URL: target, Header: http.Header{}}).WithContext(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			switch {
			case resp.StatusCode == http.StatusBadRequest && to.name != "HTTP/2":
				// The server's own answer to a request line with a space.
			case resp.StatusCode != http.StatusOK || <-targets != want+"?q=[1]":
				t.Errorf("%s: %s: status %d, want %s upstream", to.name, path, resp.StatusCode, want)
			}
		}
	}
}

func mustParse(t *testing.T, base, path, query string) *url.URL {
	t.Helper()
	u, err := url.Parse(base + path)
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery = query
	return u
}

// A registry that speaks HTTP/2 is passed on as faithfully.
func TestHTTP2RegistryIsPassedOn(t *testing.T) {
	registry := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Version", r.Proto)
		w.WriteHeader(http.StatusEarlyHints)
		w.Header()["Content-Type"] = nil
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<html>")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set(http.TrailerPrefix+"X-Other", "2")
	}))
	registry.EnableHTTP2 = true
	registry.StartTLS()
	t.Cleanup(registry.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: registry.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(c *config.Config) {
		c.Upstream.URL, c.Upstream.TLS.CAFile = mustParse(t, registry.URL, "", ""), authority
	})
	for _, to := range f.fronts() {
		for _, body := range []io.Reader{nil, bytes.NewReader(make([]byte, 4<<20))} {
			var early atomic.Int64
			req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(status int, _ textproto.MIMEHeader) error {
					early.Store(int64(status))
					return nil
				},
			}), http.MethodPut, to.url+"/v2/a/blobs/uploads/1", body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := to.client.Do(req)
			if err != nil {
				t.Errorf("%s: %v", to.name, err)
				continue
			}
			read, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			_, typed := resp.Header["Content-Type"]
			if err != nil || resp.StatusCode != http.StatusForbidden || string(read) != "<html>" || typed || early.Load() != http.StatusEarlyHints ||
				resp.Trailer.Get("X-Other") != "2" || resp.Header.Get("X-Version") != "HTTP/2.0" {
				t.Errorf("%s: %s, %q, %v, %v, trailer %v, early %d", to.name, resp.Status, read, err, resp.Header, resp.Trailer, early.Load())
			}
		}
	}
}
