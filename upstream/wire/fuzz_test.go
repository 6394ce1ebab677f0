package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/backref/backref/upstream/wire"
)

// told is all that a caller can tell of an exchange.
type told struct {
	// Interim are the informational responses.
	Interim []string
	// Class is what kind of error there was instead of a response, empty for none.
	Class string

	Status                     string
	Proto                      string
	Header, Trailer            http.Header
	ContentLength              int64
	TransferEncoding           []string
	Uncompressed, HasNoRequest bool

	Body string
	// BodyClass is what kind of error the body ended with, empty for its end.
	BodyClass string
}

func (t *told) takes(status int, header http.Header) {
	t.Interim = append(t.Interim, fmt.Sprint(status, sorted(header)))
}

func sorted(header http.Header) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(header)) {
		lines = append(lines, fmt.Sprintf("%q: %q", name, header[name]))
	}
	return lines
}

// interimTo hands informational responses to a function.
type interimTo func(int, http.Header)

func (i interimTo) Interim(status int, header http.Header) { i(status, header) }

// classOf returns what callers tell errors apart by.
func classOf(err error) string {
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return ""
	case errors.Is(err, wire.ErrSilent):
		return "silent"
	case errors.Is(err, wire.ErrStalled):
		return "stalled"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "ended"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "broken off"
	default:
		return "broken"
	}
}

// repeater answers whatever it is asked by the same bytes, and closes.
type repeater struct {
	listener net.Listener
	answers  chan []byte
}

func (r *repeater) serve() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.answer(conn.(*net.TCPConn), <-r.answers)
	}
}

func (r *repeater) answer(conn *net.TCPConn, answer []byte) {
	defer func() { _ = conn.Close() }()
	if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
		return
	}
	_, _ = conn.Write(answer)
	// What was sent gets there also where nobody reads it at once.
	_ = conn.CloseWrite()
	_, _ = io.Copy(io.Discard, conn)
}

// dialForgotten opens connections that the system forgets when they are closed:
// many thousands would use up the ports of this machine.
func dialForgotten(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		panic(err)
	}
	return conn, conn.(*net.TCPConn).SetLinger(0)
}

// tell sends one request by a new transport, and reads or moves the body.
func tell(t *testing.T, server *repeater, method string, answer []byte, standard, moving bool) told {
	by := at(t, "http", server.listener, wire.Options{Standard: standard, DialContext: dialForgotten, ResponseHeader: 10 * time.Second, Stall: 10 * time.Second})
	defer by.Close()
	var all told
	ctx := context.WithValue(t.Context(), wire.InterimKey{}, interimTo(all.takes))
	server.answers <- answer
	resp, err := by.RoundTrip(by.request(ctx, method))
	if err != nil {
		all.Class = "none"
		if class := classOf(err); class == "silent" || class == "ended" || class == "stalled" {
			all.Class = class
		}
		return all
	}
	var body bytes.Buffer
	err = read(&body, resp.Body, moving)
	all.Status, all.Proto, all.Header, all.Trailer = resp.Status, resp.Proto, resp.Header, resp.Trailer
	all.ContentLength, all.TransferEncoding, all.Uncompressed, all.HasNoRequest = resp.ContentLength, resp.TransferEncoding, resp.Uncompressed, resp.Request == nil
	all.Body, all.BodyClass = body.String(), classOf(err)
	_ = resp.Body.Close()
	return all
}

// read reads a body, or has it moved where it can be.
func read(to *bytes.Buffer, body io.Reader, moving bool) error {
	able, moves := body.(mover)
	if !moving || !moves {
		_, err := io.Copy(to, body)
		return err
	}
	for {
		if _, err := able.Move(to, 1000, time.Minute); err != nil {
			return err
		}
	}
}

// FuzzTransports checks that the same bytes from a server are the same answer,
// or the same kind of none, by connections of the package's own, read or moved,
// and by net/http.
//
// On purpose they differ in one thing alone, which is left out by a connection
// for each request: what a server sends after an answer, unasked, is never the
// next one by our own connections, while net/http takes it for that where the
// next request is quicker than its reader (TestUnaskedAnswersOverTLS).
func FuzzTransports(f *testing.F) {
	for _, answer := range answers() {
		f.Add(false, []byte(answer))
		f.Add(true, []byte(answer))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	server := &repeater{listener: listener, answers: make(chan []byte, 1)}
	f.Cleanup(func() { _ = listener.Close() })
	go server.serve()
	// Package net/http logs what a server says unasked.
	log.SetOutput(io.Discard)
	f.Cleanup(func() { log.SetOutput(os.Stderr) })
	f.Fuzz(func(t *testing.T, head bool, answer []byte) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		want := tell(t, server, method, answer, true, false)
		for _, moving := range []bool{false, true} {
			if got := tell(t, server, method, answer, false, moving); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, moved %t:\n%+v\nby net/http:\n%+v", method, moving, got, want)
			}
		}
	})
}

// answers are some that servers may write, well or badly.
func answers() []string {
	const ok = "HTTP/1.1 200 OK\r\n"
	return []string{
		"", "HTTP/1.1 2", "SSH-2.0-OpenSSH_9.9\r\n", "HTTP/1.1 200 OK\n\nabc",
		ok + "Content-Length: 3\r\n\r\nabc", ok + "Content-Length: 3\r\n\r\na", ok + "Content-Length: 3\r\n\r\nabcdef", ok + "\r\nabc",
		ok + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", ok + "Content-Length: -1\r\n\r\n",
		ok + "Content-Length: 3, 3\r\n\r\nabc", ok + "Content-Length: +3\r\n\r\nabc", ok + "Content-Length: 99999999999999999999\r\n\r\nabc",
		ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nab", ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		ok + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		ok + "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n", ok + "Trailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		ok + "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", ok + "Connection: close\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.0 200 OK\r\n\r\nabc",
		ok + "Transfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\nX: y\r\n\r\n", ok + " folded: x\r\n\r\n", ok + "X : y\r\n\r\n", ok + "X\r\n\r\n", ok + "X: \x01\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 1\r\n\r\na", "HTTP/1.1 103 Early Hints\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nabc", "HTTP/1.1 101 Switching Protocols\r\n\r\n" + ok + "\r\n", "HTTP/1.1 099 Odd\r\n\r\n",
		"HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 1000 OK\r\n\r\n", "HTTP/1.1 200\r\n\r\n", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 -20 OK\r\n\r\n",
		"HTTP/1.1 103 A\r\n\r\nHTTP/1.1 103 B\r\n\r\nHTTP/1.1 103 C\r\n\r\nHTTP/1.1 103 D\r\n\r\nHTTP/1.1 103 E\r\n\r\nHTTP/1.1 103 F\r\n\r\n" + ok + "\r\n",
		"HTTP/1.1 103 A\r\nContent-Length: 3\r\n\r\n" + ok + "\r\n", "HTTP/1.1 103 A\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + ok + "\r\n",
		ok + "Content-Length: 9000\r\n\r\n" + string(bytes.Repeat([]byte("0123456789"), 900)), ok + "Content-Length: 9000\r\n\r\n" + string(bytes.Repeat([]byte("0123456789"), 800)),
	}
}
