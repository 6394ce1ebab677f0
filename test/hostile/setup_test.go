package hostile

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
)

// cases has the number of hostile cases that ran of each test function, by the
// function's name.
var cases sync.Map

func TestMain(m *testing.M) { rig.Main(m) }

// count counts a case.
func count(t *testing.T) {
	t.Helper()
	function, _, _ := strings.Cut(t.Name(), "/")
	ran, _ := cases.LoadOrStore(function, new(atomic.Int64))
	ran.(*atomic.Int64).Add(1)
}

// witness stands in the place of the registry: it keeps what it sees and
// passes it to a real registry, or answers itself.
type witness struct {
	URL, Host string

	mutex  sync.Mutex
	answer http.HandlerFunc
	seen   []*http.Request
}

// newWitness starts one that answers itself.
func newWitness(t *testing.T, answer http.HandlerFunc) *witness {
	t.Helper()
	w := &witness{answer: answer}
	server := httptest.NewServer(w)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	w.URL, w.Host = server.URL, strings.TrimPrefix(server.URL, "http://")
	return w
}

// before starts a witness before a registry.
func before(t *testing.T, registry *rig.Registry) *witness {
	t.Helper()
	target, err := url.Parse(registry.URL)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	return newWitness(t, forward.ServeHTTP)
}

func (w *witness) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mutex.Lock()
	w.seen = append(w.seen, r.Clone(r.Context()))
	answer := w.answer
	w.mutex.Unlock()
	answer(out, r)
}

// requests returns what was seen since the last call.
func (w *witness) requests() []*http.Request {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	seen := w.seen
	w.seen = nil
	return seen
}

// stage is a registry, a witness before it, and backref before both.
type stage struct {
	witness *witness
	backref *rig.Backref
	// subject is in the repository "app", under the tag "v1".
	subject rig.Manifest
}

func newStage(t *testing.T, version rig.Distribution, args ...string) stage {
	t.Helper()
	w := before(t, rig.NewRegistry(t, version))
	s := stage{w, rig.NewBackref(t, w.URL, args...), rig.Image("subject")}
	rig.PushBlob(t, s.backref.URL, "app", rig.Empty)
	rig.Push(t, s.backref.URL, "app", "v1", s.subject).Want(t, http.StatusCreated)
	referrer := rig.Artifact("application/vnd.example.x", "x", s.subject.Descriptor())
	rig.Push(t, s.backref.URL, "app", "", referrer).Want(t, http.StatusCreated)
	return s
}

// export returns the index, one record a line.
func export(t *testing.T, b *rig.Backref) string {
	t.Helper()
	return string(rig.Do(t, http.MethodGet, b.AdminURL+"/admin/export", nil).Want(t, http.StatusOK).Body)
}

// answer is what a client got for raw bytes.
type answer struct {
	status int
	header http.Header
	body   string
	// more says that there was a second answer.
	more bool
}

// patience is how long a raw exchange may take.
const patience = 20 * time.Second

// raw sends bytes as they are and reads the answers until backref closes the
// connection or has no more to say.
func raw(t *testing.T, host, request string) answer {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	// A server that refuses a request early may not read it to its end.
	go func() { _, _ = io.WriteString(conn, request) }()
	reader := bufio.NewReader(conn)
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		return answer{}
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	got := answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
	_ = conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
	if next, err := reader.Peek(5); err == nil {
		got.more = string(next) == "HTTP/"
	}
	return got
}

// wantError fails the test where a body is not the error JSON of the
// specification with a code and a message.
func wantError(t *testing.T, body, code string) {
	t.Helper()
	var doc struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || len(doc.Errors) == 0 {
		t.Errorf("no error JSON: %v: %.300s", err, body)
		return
	}
	if doc.Errors[0].Code != code || doc.Errors[0].Message == "" {
		t.Errorf("error %.300s, want code %s and a message", body, code)
	}
}

// wantSeen fails the test where the registry saw other requests, each written
// as "METHOD path".
func wantSeen(t *testing.T, w *witness, want ...string) {
	t.Helper()
	var got []string
	for _, r := range w.requests() {
		got = append(got, r.Method+" "+r.URL.EscapedPath())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the registry saw %v, want %v", got, want)
	}
}
