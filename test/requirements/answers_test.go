package requirements

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/backref/backref/test/rig"
)

// answerTo returns the answer of a server to a request for a blob's range, as
// far as it comes: Distribution 2.8 announces more of a refusal than it sends.
func answerTo(t *testing.T, url, ranged string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", ranged)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	// How long the body is, of an answer that has all of it.
	read, err := io.Copy(io.Discard, resp.Body)
	if _ = resp.Body.Close(); err == nil {
		resp.ContentLength = read
	} else {
		resp.ContentLength = -1
	}
	return resp
}

// B1: what the registry says of a range reaches the client, however short the
// body, and whole, where the registry itself (2.8) breaks off.
func TestB1RangeBehindTheEnd(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		blob := "/v2/app/blobs/" + rig.PushBlob(t, s.registry.URL, "app", strings.Repeat("x", 100_000)).String()
		for _, ranged := range []string{"bytes=100000-", "bytes=5-4", "bytes=0-9"} {
			want, got := answerTo(t, s.registry.URL+blob, ranged), answerTo(t, s.backref.URL+blob, ranged)
			if got.StatusCode != want.StatusCode || got.Header.Get("Content-Range") != want.Header.Get("Content-Range") || got.ContentLength < 0 || want.ContentLength >= 0 && got.ContentLength != want.ContentLength {
				t.Errorf("%s: %s %v, the registry says %s %v", ranged, got.Status, got.Header, want.Status, want.Header)
			}
		}
		if got := answerTo(t, s.backref.URL+blob, "bytes=100000-"); got.StatusCode != http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("behind the end: %s", got.Status)
		}
	})
}

// B1: a registry that refuses a body is heard, be it asked for first or not.
func TestB1RefusedBodies(t *testing.T) {
	const clients = 40
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version, "auth: {htpasswd: {realm: registry, path: "+htpasswd(t)+"}}\n")
		backref := rig.NewBackref(t, registry.URL)
		for _, size := range []int{4, 1 << 20} {
			for _, expect := range []string{"Expect: 100-continue\r\n", ""} {
				var sending sync.WaitGroup
				for range clients {
					sending.Go(func() {
						resp, err := sendRefused(backref.Host, expect, size)
						if err != nil || resp.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(resp.Header.Get("Www-Authenticate"), "Basic") {
							t.Errorf("%d bytes, %q: %v, %v", size, expect, resp, err)
						}
					})
				}
				sending.Wait()
			}
		}
	})
}

// sendRefused sends a body without credentials, when it is asked for where it
// says so, and returns the final answer.
func sendRefused(host, expect string, size int) (*http.Response, error) {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "PUT /v2/app/blobs/uploads/x?digest=x HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s\r\n", host, size, expect)
	send := func() { _, _ = conn.Write(make([]byte, size)) }
	if expect == "" {
		go send()
	}
	reader := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusContinue {
			_, err := io.Copy(io.Discard, resp.Body)
			return resp, err
		}
		go send()
	}
}
