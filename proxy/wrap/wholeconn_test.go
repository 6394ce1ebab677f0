package wrap

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
)

// TestWriteWhole has answers of all sizes around those of the server's buffers
// sent over one connection.
func TestWriteWhole(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	accepting, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections int
	server := &http.Server{ConnContext: ConnContext, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.URL.Query().Get("size"))
		if _, is := r.Context().Value(connKey{}).(*wholeConn); !is {
			t.Error("the connection is not found")
		}
		w.Header().Set("Content-Length", strconv.Itoa(size))
		WriteWhole(w, r, content[:size])
	}), ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections++
		}
	}}
	served := make(chan error, 1)
	go func() { served <- server.Serve(Listener(accepting)) }()
	client := &http.Client{Transport: &http.Transport{}}
	sizes := []int{0, 1, 2047, 2048, 2049, 4095, 4096, 4097, 8192, len(content)}
	for size := 3900; size < 4100; size += 7 {
		sizes = append(sizes, size)
	}
	for _, size := range sizes {
		for _, method := range []string{http.MethodHead, http.MethodGet} {
			req, err := http.NewRequestWithContext(t.Context(), method, "http://"+accepting.Addr().String()+"/?size="+strconv.Itoa(size), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			want := content[:size]
			if method == http.MethodHead {
				want = nil
			}
			if err != nil || !bytes.Equal(body, want) || resp.ContentLength != int64(size) {
				t.Errorf("%s of %d bytes: got %d, length %d, %v", method, size, len(body), resp.ContentLength, err)
			}
		}
	}
	client.CloseIdleConnections()
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	if connections != 1 {
		t.Errorf("%d connections", connections)
	}
}

// BenchmarkWriteWhole compares the two ways to send an answer of 40 KB.
func BenchmarkWriteWhole(b *testing.B) {
	body := make([]byte, 40<<10)
	for name, listener := range map[string]func(net.Listener) net.Listener{
		"in parts": func(l net.Listener) net.Listener { return l }, "whole": Listener,
	} {
		b.Run(name, func(b *testing.B) {
			accepting, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			server := &http.Server{ConnContext: ConnContext, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
				WriteWhole(w, r, body)
			})}
			go func() { _ = server.Serve(listener(accepting)) }()
			defer func() { _ = server.Close() }()
			client := &http.Client{Transport: &http.Transport{}}
			for b.Loop() {
				resp, err := client.Get("http://" + accepting.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
}
