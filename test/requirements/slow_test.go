package requirements

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
)

// slowly are the settings under which a client has to move 16 KiB in each
// half second that it is waited for.
func slowly() []string {
	return []string{"--set", "limits.transferInterval=500ms", "--set", "limits.transferSize=16KiB"}
}

// dial opens a connection to backref and writes to it.
func dial(t *testing.T, backref *rig.Backref, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", backref.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// beginUpload returns the path of an upload session.
func beginUpload(t *testing.T, base string) string {
	t.Helper()
	location := rig.Do(t, http.MethodPost, base+"/v2/app/blobs/uploads/", nil).Want(t, http.StatusAccepted).Location
	return strings.TrimPrefix(location, base)
}

// A client that hardly sends is answered 408 and cut off; one that sends
// slowly but steadily may take its time.
func TestSlowUploads(t *testing.T) {
	s := newStage(t, rig.Distribution2, slowly()...)
	patch := func(size int) net.Conn {
		return dial(t, s.backref, fmt.Sprintf("PATCH %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n",
			beginUpload(t, s.backref.URL), s.backref.Host, size))
	}
	for name, request := range map[string]func() net.Conn{
		"a blob": func() net.Conn { return patch(1 << 20) },
		"a manifest": func() net.Conn {
			return dial(t, s.backref, "PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: "+rig.ImageManifest+"\r\nContent-Length: 1000\r\n\r\n{")
		},
	} {
		before := limited(t, s.backref, "transferInterval")
		conn := request()
		stop := trickle(conn)
		reader := bufio.NewReader(conn)
		resp, err := http.ReadResponse(reader, nil)
		stop()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), `"code":"UNAVAILABLE"`) || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %s %s", name, resp.Status, body)
		}
		if _, err := reader.ReadByte(); err == nil {
			t.Errorf("%s: the connection is still used", name)
		}
		if got := limited(t, s.backref, "transferInterval") - before; got != 1 {
			t.Errorf("%s: counted %v", name, got)
		}
	}

	steady := patch(16 * (8 << 10))
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for range 16 {
		if _, err := steady.Write(make([]byte, 8<<10)); err != nil {
			t.Fatal(err)
		}
		<-pace.C
	}
	resp, err := http.ReadResponse(bufio.NewReader(steady), nil)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		t.Errorf("a slow but steady upload: %v, %v", resp, err)
	}
}

// trickle sends a byte now and then until it is stopped.
func trickle(conn net.Conn) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
				_, _ = conn.Write([]byte("x"))
			}
		}
	}()
	return func() { close(done); <-ended }
}

// A client that doesn't read is cut off, over HTTP/1.1 and HTTP/2; others are
// served meanwhile, and one that reads in pieces gets all.
func TestSlowDownloads(t *testing.T) {
	certFile, keyFile, pool := certificate(t)
	registry := rig.NewRegistry(t, rig.Distribution2)
	content := strings.Repeat("0123456789abcdef", 2<<20)
	sum := rig.PushBlob(t, registry.URL, "app", content)
	for _, secure := range []bool{false, true} {
		t.Run("tls "+strconv.FormatBool(secure), func(t *testing.T) {
			args, scheme := slowly(), "http://"
			if secure {
				scheme = "https://"
				args = append(args, "--set", "server.tls.certFile="+certFile, "--set", "server.tls.keyFile="+keyFile)
			}
			backref := rig.NewBackref(t, registry.URL, args...)
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			url := scheme + backref.Host + "/v2/app/blobs/" + sum.String()
			stuck, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = stuck.Body.Close() }()
			other, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = other.Body.Close() }()
			if secure && other.ProtoMajor != 2 {
				t.Errorf("spoken: %s", other.Proto)
			}
			whole, pace := 0, time.NewTicker(20*time.Millisecond)
			defer pace.Stop()
			for buffer := make([]byte, 1<<20); ; <-pace.C {
				n, err := io.ReadFull(other.Body, buffer)
				if whole += n; err != nil {
					break
				}
			}
			if whole != len(content) {
				t.Errorf("who reads slowly got %d of %d bytes", whole, len(content))
			}
			rig.Eventually(t, "the client that doesn't read is cut off", func() bool { return limited(t, backref, "transferInterval") == 1 })
			if got, err := io.Copy(io.Discard, stuck.Body); err == nil || got == int64(len(content)) {
				t.Errorf("it still got %d bytes, %v", got, err)
			}
		})
	}
}

// A registry that stops within a body is given up on.
func TestRegistryThatPauses(t *testing.T) {
	hang := make(chan struct{})
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPatch:
			<-hang
		case r.URL.Path == "/v2/":
		default:
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
			<-hang
		}
	}))
	defer registry.Close()
	defer close(hang)
	backref := rig.NewBackref(t, registry.URL, "--set", "upstream.timeouts.stall=300ms")
	for _, path := range []string{"/v2/app/manifests/v1", "/v2/app/blobs/uploads/x"} {
		resp, err := http.Get(backref.URL + path)
		if err != nil {
			continue // It broke off before its header was sent.
		}
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("%s: a short body looks whole: %q", path, body)
		}
		_ = resp.Body.Close()
	}
	// More than all the buffers on its way hold.
	got, err := rig.Send(t, http.MethodPatch, backref.URL+"/v2/app/blobs/uploads/x", make([]byte, 64<<20))
	if err == nil && (got.Status != http.StatusGatewayTimeout || got.Header.Get("Retry-After") == "") {
		t.Errorf("an upload that nobody takes: %d %s", got.Status, got.Body)
	}
	rig.Do(t, http.MethodGet, backref.URL+"/v2/", nil).Want(t, http.StatusOK)
}

// Five hundred clients that hardly send cost little, keep nobody from being
// served, and are gone in the end.
func TestManySlowClients(t *testing.T) {
	const clients, bound = 500, 256 << 20
	s := newStage(t, rig.Distribution2, "--set", "limits.transferInterval=5s")
	image := rig.Image("image")
	for range clients {
		dial(t, s.backref, "PATCH "+beginUpload(t, s.backref.URL)+" HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\nx")
	}
	memory := func() float64 {
		return metric(t, s.backref, "go_memstats_heap_inuse_bytes") + metric(t, s.backref, "go_memstats_stack_inuse_bytes")
	}
	most := 0.0
	for range 10 {
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/manifests/v1", nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
		most = max(most, memory())
	}
	rig.Report(t, fmt.Sprintf("%d slow clients: %.0f MiB of heap and stacks (bound %d MiB)", clients, most/(1<<20), bound>>20))
	if most > bound {
		t.Errorf("%.0f bytes are used", most)
	}
	rig.Eventually(t, "all are cut off", func() bool { return limited(t, s.backref, "transferInterval") >= clients })
	rig.Eventually(t, "nothing is under way", func() bool { return metric(t, s.backref, "backref_requests_in_flight") == 0 })
	rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/manifests/v1", nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
}
