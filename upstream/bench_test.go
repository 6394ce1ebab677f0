package upstream_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
)

// canned answers each request without a body by the same bytes. It allocates
// nothing for an answer, so that what is counted is the client's.
func canned(conn net.Conn, answer []byte) {
	defer func() { _ = conn.Close() }()
	requests := bufio.NewReader(conn)
	for {
		switch line, err := requests.ReadSlice('\n'); {
		case err != nil:
			return
		case len(line) > len("\r\n"):
			continue
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// BenchmarkManifest gets a small manifest.
func BenchmarkManifest(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: 20\r\n" +
		"Docker-Distribution-Api-Version: registry/2.0\r\nDate: Mon, 01 Jun 2026 00:00:00 GMT\r\n\r\n{\"schemaVersion\": 2}")
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go canned(conn, answer)
		}
	}()
	registry := registryAt(b, "http://"+listener.Addr().String())
	b.Cleanup(registry.Close)
	header := http.Header{"Accept": {"application/vnd.oci.image.manifest.v1+json"}}
	b.ReportAllocs()
	for b.Loop() {
		resp, err := registry.RoundTrip(&http.Request{
			Method: http.MethodGet, URL: &url.URL{Path: "/v2/library/benchmark/manifests/latest"}, Header: header,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		})
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != 20 {
			b.Fatal(n, err)
		}
		_ = resp.Body.Close()
	}
}
