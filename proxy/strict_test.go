package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
)

// TestManifestThatIsReadDifferently checks that the registry never sees what it
// may read as another manifest than backref.
func TestManifestThatIsReadDifferently(t *testing.T) {
	subject := digest.FromString("subject")
	entry := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":2}`, imageManifest, subject)
	for name, c := range map[string]struct{ body, says string }{
		"two subjects":             {`{"subject":` + entry + `,"subject":null}`, "given twice"},
		"a subject in capitals":    {`{"SUBJECT":` + entry + `}`, "is written as"},
		"an image and an index":    {`{"layers":[],"manifests":[]}`, "manifests"},
		"another media type":       {`{"mediaType":"` + imageIndex + `"}`, "its mediaType is"},
		"something behind it":      {`{"schemaVersion":2}{}`, "not one JSON text"},
		"no JSON":                  {`subject`, "not one JSON text"},
		"deep without a subject":   {`{"a":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}`, "limits.manifestDepth is 64"},
		"too many layers":          {`{"layers":[` + strings.Repeat(entry+",", 20_000) + entry + `]}`, "limits.manifestDescriptors is 20000"},
		"too many annotations":     {`{"annotations":{` + manyAnnotations(1_001) + `}}`, "limits.manifestAnnotations is 1000"},
		"an annotation given anew": {`{"annotations":{"a":"1","a":"2"}}`, "given twice"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			got := f.push("app", []byte(c.body))
			if got.status != http.StatusBadRequest || !bytes.Contains(got.body, []byte("MANIFEST_INVALID")) || !bytes.Contains(got.body, []byte(c.says)) {
				t.Errorf("status %d: %s", got.status, got.body)
			}
			if seen := f.registry.seen(); len(seen) > 0 {
				t.Errorf("the registry saw %v", seen)
			}
		})
	}
}

func manyAnnotations(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"a%d":""`, i))
	}
	return strings.Join(all, ",")
}

// TestNativeAnswerIsUnusable checks that a registry whose own listing can't be
// trusted is not taken for one without.
func TestNativeAnswerIsUnusable(t *testing.T) {
	subject := image("subject")
	entry := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":2}`, imageManifest, digest.FromString("x"))
	for name, answer := range map[string]string{
		"two lists":        `{"schemaVersion":2,"manifests":[],"manifests":[` + entry + `]}`,
		"too many entries": `{"schemaVersion":2,"manifests":[` + entry + `,` + entry + `,` + entry + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(cfg *config.Config) { cfg.Limits.TagEntries = 2 })
			name := f.registry.put("app", subject)
			f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "/referrers/") {
					return false
				}
				w.Header().Set("Content-Type", imageIndex)
				_, _ = io.WriteString(w, answer)
				return true
			})
			if got := f.do(http.MethodGet, "/v2/app/referrers/"+name.String(), nil); got.status != http.StatusBadGateway {
				t.Errorf("status %d: %s", got.status, got.body)
			}
		})
	}
}

// TestSlowManifest checks that a client that sends its manifest too slowly
// loses its place to others.
func TestSlowManifest(t *testing.T) {
	f := newFixture(t, func(cfg *config.Config) {
		cfg.Limits.ManifestTime = 50 * time.Millisecond
		cfg.Limits.ManifestMemory = cfg.Limits.ManifestSize
	})
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "PUT /v2/app/manifests/slow HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", 4<<20)
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 408 ")) || !bytes.Contains(answer, []byte("limits.manifestTime")) {
		t.Errorf("got %v, %s", err, answer)
	}
	if got := f.push("app", image("quick")); got.status != http.StatusCreated {
		t.Errorf("the room was not given back: status %d: %s", got.status, got.body)
	}
	if seen := f.registry.seen(); len(seen) != 1 {
		t.Errorf("the registry saw %v", seen)
	}
}

// TestRefusedManifestIsReadToItsEnd checks that a client that is told to come
// again can send its manifest first, and so gets to see that.
func TestRefusedManifestIsReadToItsEnd(t *testing.T) {
	t.Parallel() // It waits as long as a push waits for room.
	f := newFixture(t, func(cfg *config.Config) { cfg.Limits.ManifestMemory = cfg.Limits.ManifestSize })
	host := strings.TrimPrefix(f.url, "http://")
	begin := func() net.Conn {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = fmt.Fprintf(conn, "PUT /v2/app/manifests/large HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", 4<<20)
		return conn
	}
	begin() // It takes all of the room, and keeps it.
	for f.push("app", image("no room")).status != http.StatusServiceUnavailable {
		if t.Context().Err() != nil {
			t.Fatal("there was always room")
		}
	}
	conn := begin()
	if _, err := conn.Write(make([]byte, 4<<20-1)); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != http.StatusServiceUnavailable || answer.Close {
		t.Errorf("got %v, %+v", err, answer)
	}
}
