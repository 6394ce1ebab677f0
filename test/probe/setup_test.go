package probe_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/probe"
)

// ask asks a registry that lets anyone in, or takes a user and password in its URL.
func ask(t *testing.T, at string, o probe.Options) *probe.Report {
	t.Helper()
	return askUntil(t.Context(), t, at, o)
}

// askUntil is ask until ctx ends.
func askUntil(ctx context.Context, t *testing.T, at string, o probe.Options) *probe.Report {
	t.Helper()
	base, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	service := upstream.Service{Anonymous: base.User == nil, Username: base.User.Username()}
	service.Password, _ = base.User.Password()
	base.User = nil
	registry, err := upstream.New(upstream.Options{URL: base, Service: service})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	o.Registry, o.Name, o.Now = registry, base.String(), time.Now()
	if o.Nonce == "" {
		o.Nonce = "n0nce"
	}
	return probe.Run(ctx, o)
}

// relay passes all on to a registry byte by byte, answers that break off too, and keeps
// what was asked.
type relay struct {
	URL   string
	to    string
	mutex sync.Mutex
	seen  []string
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{URL: "http://" + listener.Addr().String(), to: strings.TrimPrefix(to, "http://")}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { r.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		serving.Wait()
	})
	return r
}

// serve passes one connection on.
func (r *relay) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	registry, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	copied, asked := io.Pipe()
	var serving sync.WaitGroup
	serving.Go(func() { r.note(copied) })
	serving.Go(func() {
		_, err := io.Copy(registry, io.TeeReader(client, asked))
		_, _ = asked.CloseWithError(err), registry.Close()
	})
	_, _ = io.Copy(client, registry)
	_, _ = client.Close(), registry.Close()
	serving.Wait()
}

// note keeps the requests of a connection.
func (r *relay) note(asked *io.PipeReader) {
	read := bufio.NewReader(asked)
	for {
		req, err := http.ReadRequest(read)
		if err != nil {
			break
		}
		r.mutex.Lock()
		r.seen = append(r.seen, req.Method+" "+req.URL.Path)
		r.mutex.Unlock()
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			break
		}
	}
	_, _ = io.Copy(io.Discard, asked)
}

// requests returns what was asked since it was last called, each as "METHOD path".
func (r *relay) requests() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

// wantFindings compares the verdicts and answers of a report with a table of lines
// "capability | verdict | answer", in the order of the report. The answer of what is
// unknown is its reason.
func wantFindings(t *testing.T, report *probe.Report, table string) {
	t.Helper()
	var lines []string
	for _, f := range report.Findings {
		answer := f.Answer
		if f.Verdict == probe.Unknown {
			answer = f.Reason
		}
		if (f.Reason != "") != (f.Verdict == probe.Unknown) || f.Verdict != probe.Unknown && (f.Request == "" || f.Answer == "") {
			t.Errorf("what is known has a request and an answer, what is unknown a reason: %+v", f)
		}
		lines = append(lines, f.Capability+" | "+string(f.Verdict)+" | "+answer)
	}
	want := strings.Split(strings.TrimSpace(table), "\n")
	for i := range max(len(lines), len(want)) {
		got, wanted := "-", "-"
		if i < len(lines) {
			got = lines[i]
		}
		if i < len(want) {
			wanted = strings.TrimSpace(want[i])
		}
		if got != wanted {
			t.Errorf("got  %s\nwant %s", got, wanted)
		}
	}
}
