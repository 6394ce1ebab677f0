package hostile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// lie is what a registry answers, and what has to come of it.
type lie struct {
	name, source string
	// answer answers every request but those that truth answers.
	answer http.HandlerFunc
	// get is the path that the client asks for.
	get    string
	status int
	// code is that of the error, empty for an answer that is the registry's.
	code string
}

// truth is what the liar says where it does not lie: it is a registry, and has the
// subject.
func truth(w http.ResponseWriter, r *http.Request, subject rig.Manifest) bool {
	if r.URL.Path == "/v2/" {
		return true
	}
	if !strings.HasSuffix(r.URL.Path, "/manifests/"+subject.Digest().String()) {
		return false
	}
	w.Header().Set("Content-Type", subject.MediaType)
	w.Header().Set("Docker-Content-Digest", subject.Digest().String())
	_, _ = w.Write(subject.Bytes())
	return true
}

// endless writes for as long as it is read.
func endless(piece string) func(io.Writer) {
	block := []byte(strings.Repeat(piece, 1+64<<10/len(piece)))
	return func(w io.Writer) {
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
}

// bomb returns a gigabyte that takes a megabyte.
func bomb() []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	block := make([]byte, 1<<20)
	for range 1 << 10 {
		_, _ = w.Write(block)
	}
	_ = w.Close()
	return out.Bytes()
}

func send(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// on answers paths that contain a part; others are not found.
func on(part string, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, part) {
			answer(w, r)
			return
		}
		http.NotFound(w, r)
	}
}

func lies(elsewhere string) []lie {
	const listing, other = "/v2/app/referrers/SUBJECT", "/v2/app/manifests/OTHER"
	redirect := func(status int, to string) http.HandlerFunc { return send(status, "", "Location", to) }
	oneself := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
	}
	gzipped := func(mediaType string) http.HandlerFunc {
		return send(200, string(bomb()), "Content-Type", mediaType, "Content-Encoding", "gzip")
	}
	return []lie{
		{"another manifest than asked for", "CWE-345", send(200, `{"a":1}`, "Content-Type", rig.ImageManifest, "Docker-Content-Digest", "OTHER"), other, 200, ""},
		{"a tag with a wrong digest", "CWE-345", send(200, `{"a":1}`, "Content-Type", rig.ImageManifest, "Docker-Content-Digest", "OTHER"), "/v2/app/manifests/latest", 200, ""},
		{"an endless referrers tag", "CWE-400", on("/manifests/sha256-", func(w http.ResponseWriter, _ *http.Request) { endless(" ")(w) }), listing, 502, "UNAVAILABLE"},
		{"a referrers tag that is a bomb", "CWE-409", on("/manifests/sha256-", gzipped(rig.ImageIndex)), listing, 502, "UNAVAILABLE"},
		{"a referrers tag that is no JSON", "CWE-20", on("/manifests/sha256-", send(200, "<html>", "Content-Type", rig.ImageIndex)), listing, 502, "UNAVAILABLE"},
		{"referrers that are a bomb", "CWE-409", on("/referrers/", gzipped(rig.ImageIndex)), listing, 200, ""},
		{"referrers given twice", "CVE-2017-12635", on("/referrers/", send(200, `{"schemaVersion":2,"manifests":[],"manifests":[]}`, "Content-Type", rig.ImageIndex)), listing, 502, "UNAVAILABLE"},
		{"referrers without end", "CVE-2023-2253", on("/referrers/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", rig.ImageIndex)
			w.Header().Set("Link", `<`+r.URL.Path+`?next>; rel="next"`)
			_, _ = fmt.Fprintf(w, `{"schemaVersion":2,"manifests":[%s]}`, strings.Repeat(`{"digest":"`+digest.FromString("x").String()+`"},`, 999)+`{"digest":"`+digest.FromString("x").String()+`"}`)
		}), listing, 502, "UNAVAILABLE"},
		{"referrers whose next page is elsewhere", "CWE-918", on("/referrers/", send(200, `{"schemaVersion":2,"manifests":[]}`, "Content-Type", rig.ImageIndex, "Link", `<`+elsewhere+`/v2/>; rel="next"`)), listing, 502, "UNAVAILABLE"},
		{"a redirect of our question to metadata", "CWE-918", on("/manifests/sha256-", redirect(302, "http://169.254.169.254/latest/meta-data/")), listing, 502, "UNAVAILABLE"},
		{"a redirect of our question to a file", "CWE-918", on("/manifests/sha256-", redirect(301, "file:///etc/passwd")), listing, 502, "UNAVAILABLE"},
		{"a redirect of our question to itself", "CWE-835", on("/manifests/sha256-", oneself), listing, 502, "UNAVAILABLE"},
		{"a redirect of the client to a file", "CWE-601", redirect(307, "file:///etc/passwd"), other, 502, "UNAVAILABLE"},
		{"a redirect of the client to a program", "CWE-601", redirect(307, "javascript:alert(1)"), "/v2/app/blobs/OTHER", 502, "UNAVAILABLE"},
		{"a redirect of the client elsewhere", "CVE-2020-15157", redirect(307, elsewhere+"/blob"), "/v2/app/blobs/OTHER", 307, ""},
		{"too large a header", "CWE-400", send(200, "", "X-Large", strings.Repeat("a", 2<<20)), other, 502, "UNAVAILABLE"},
		{"an endless error", "CWE-400", on("/manifests/sha256-", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			endless("x")(w)
		}), listing, 429, ""},
	}
}

// TestLies has a registry lie to backref, and a host elsewhere wait for what
// is not meant for it.
func TestLies(t *testing.T) {
	elsewhere := newWitness(t, http.NotFound)
	subject := rig.Image("subject")
	fill := strings.NewReplacer("SUBJECT", subject.Digest().String(), "OTHER", digest.FromString("other").String())
	for _, c := range lies(elsewhere.URL) {
		t.Run(c.name, func(t *testing.T) {
			count(t)
			liar := newWitness(t, func(w http.ResponseWriter, r *http.Request) {
				if !truth(w, r, subject) {
					c.answer(filled{w, fill}, r)
				}
			})
			b := rig.NewBackref(t, liar.URL, "--set", "permissions.cacheTTL=0", "--set", "upstream.timeouts.query=5s")
			got := rig.Do(t, http.MethodGet, b.URL+fill.Replace(c.get), nil, "Authorization", "Basic c2VjcmV0OnNlY3JldA==")
			if got.Status != c.status {
				t.Errorf("[%s] status %d, want %d: %.300s", c.source, got.Status, c.status, got.Body)
			}
			if c.code != "" {
				wantError(t, string(got.Body), c.code)
			}
			wantSeen(t, elsewhere)
			if after := export(t, b); after != "" {
				t.Errorf("the index holds %s", after)
			}
		})
	}
}

// A redirect of a question of backref's own is followed as clients do: nothing
// that is the client's goes along, and what is not there is no answer.
func TestARedirectTakesNothingAlong(t *testing.T) {
	count(t)
	elsewhere := newWitness(t, http.NotFound)
	subject := rig.Image("subject")
	answer := on("/manifests/sha256-", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+"/stolen", http.StatusTemporaryRedirect)
	})
	liar := newWitness(t, func(w http.ResponseWriter, r *http.Request) {
		if !truth(w, r, subject) {
			answer(w, r)
		}
	})
	b := rig.NewBackref(t, liar.URL, "--set", "permissions.cacheTTL=0", "--set", "upstream.timeouts.query=5s")
	got := rig.Do(t, http.MethodGet, b.URL+"/v2/app/referrers/"+subject.Digest().String(), nil, "Authorization", "Basic c2VjcmV0OnNlY3JldA==", "Cookie", "session=secret")
	if got.Status != http.StatusBadGateway {
		t.Errorf("[CVE-2020-15157] status %d: %.300s", got.Status, got.Body)
	}
	wantError(t, string(got.Body), "UNAVAILABLE")
	for _, r := range elsewhere.requests() {
		if dumped := fmt.Sprint(r.Header); r.Method != http.MethodGet || strings.Contains(dumped, "c2VjcmV0") || strings.Contains(dumped, "secret") {
			t.Errorf("another host got %s %s", r.Method, dumped)
		}
	}
}

// filled fills in the header of an answer when it is written.
type filled struct {
	http.ResponseWriter
	fill *strings.Replacer
}

func (f filled) WriteHeader(status int) {
	for _, values := range f.Header() {
		for i := range values {
			values[i] = f.fill.Replace(values[i])
		}
	}
	f.ResponseWriter.WriteHeader(status)
}

// TestEndlessPull reads the beginning of a manifest without end: it is passed
// on, but nothing is kept of it.
func TestEndlessPull(t *testing.T) {
	count(t)
	liar := newWitness(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", rig.ImageManifest)
		w.Header().Set("Docker-Content-Digest", digest.FromString("other").String())
		endless(" ")(w)
	})
	b := rig.NewBackref(t, liar.URL)
	resp, err := http.Get(b.URL + "/v2/app/manifests/latest")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyN(io.Discard, resp.Body, 64<<20); err != nil {
		t.Errorf("after %d bytes: %v", n, err)
	}
	_ = resp.Body.Close()
	if after := export(t, b); after != "" {
		t.Errorf("the index holds %s", after)
	}
}

// TestBrokenAnswers has a registry answer what is no HTTP, or HTTP of two
// meanings: the client gets an error, or an answer that breaks off.
func TestBrokenAnswers(t *testing.T) {
	for _, c := range []struct{ name, source, answer string }{
		{"two lengths", "RFC 9112, 6.3 (CWE-444)", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 20\r\n\r\n{}"},
		{"negative length", "RFC 9112, 6.3", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}"},
		{"unknown encoding", "CVE-2022-1705", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n{}"},
		{"header without a colon", "CWE-20", "HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n{}"},
		{"no status", "CWE-20", "HTTP/1.1 OK\r\n\r\n"},
		{"no HTTP", "CWE-20", "SSH-2.0-OpenSSH_9.9\r\n"},
		{"nothing", "CWE-20", ""},
		{"hints without end", "CWE-400", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n", 100_000)},
		{"header without end", "CWE-400", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: b\r\n", 1_000_000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			count(t)
			b := rig.NewBackref(t, "http://"+broken(t, c.answer))
			got := rig.Do(t, http.MethodGet, b.URL+"/v2/app/manifests/v1", nil)
			if got.Status != http.StatusBadGateway {
				t.Errorf("[%s] status %d: %.300s", c.source, got.Status, got.Body)
			}
			wantError(t, string(got.Body), "UNAVAILABLE")
			if after := export(t, b); after != "" {
				t.Errorf("the index holds %s", after)
			}
		})
	}
}

// broken answers every connection with the same bytes, whatever is asked.
func broken(t *testing.T, answer string) (host string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				go answerOnce(conn, answer)
			}
		}
	}()
	return listener.Addr().String()
}

func answerOnce(conn net.Conn, answer string) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Read(make([]byte, 64<<10)); err == nil {
		_, _ = io.WriteString(conn, answer)
	}
}
