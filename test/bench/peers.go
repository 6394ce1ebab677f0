package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// The peers that this program is itself, when it is started with their names.
const (
	peerHandler = "peer-handler"
	peerProxy   = "peer-proxy"
	peerFetcher = "peer-fetcher"
	peerProbe   = "peer-probe"
	peerLoad    = "peer-load"
	peerDeletes = "peer-deletes"
)

// serveHTTP serves at an address until ctx ends, by HTTPS where files with a
// certificate and its key are given.
func serveHTTP(ctx context.Context, address string, handler http.Handler, pair ...string) error {
	server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	closed := make(chan error, 1)
	go func() {
		<-ctx.Done()
		closed <- server.Close()
	}()
	listen := server.ListenAndServe
	if len(pair) > 0 {
		listen = func() error { return server.ListenAndServeTLS(pair[0], pair[1]) }
	}
	if err := listen(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-closed
}

// serveBytes serves the files of a folder from memory, with the headers of a
// referrers answer: the least that a server in Go can do.
func serveBytes(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New(peerHandler + " ADDRESS FOLDER")
	}
	type ready struct {
		body   []byte
		length []string
		etag   []string
	}
	answers := map[string]ready{}
	err := filepath.WalkDir(args[1], func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		name := strings.TrimPrefix(path, args[1])
		answers[name] = ready{body, []string{strconv.Itoa(len(body))}, []string{`"` + digest.FromBytes(body).Encoded()[:32] + `"`}}
		return err
	})
	if err != nil {
		return err
	}
	contentType, cacheControl := []string{mediaTypeIndex}, []string{"private, no-cache"}
	return serveHTTP(ctx, args[0], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, found := answers[r.URL.Path]
		if !found {
			http.NotFound(w, r)
			return
		}
		header := w.Header()
		header["Content-Type"], header["Cache-Control"] = contentType, cacheControl
		header["Content-Length"], header["Etag"] = answer.length, answer.etag
		_, _ = w.Write(answer.body)
	}))
}

// serveProxy passes everything on by the ReverseProxy of the standard library
// as it comes, but for the number of connections that it keeps. With a certificate
// it serves HTTPS, and trusts it at the registry.
func serveProxy(ctx context.Context, args []string) error {
	if len(args) != 2 && len(args) != 4 {
		return errors.New(peerProxy + " ADDRESS UPSTREAM [CERTIFICATE KEY]")
	}
	upstream, err := url.Parse(args[1])
	if err != nil {
		return err
	}
	transport := newTransport()
	if len(args) > 2 {
		if transport.TLSClientConfig, err = trusting(args[2]); err != nil {
			return err
		}
	}
	return serveHTTP(ctx, args[0], &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(upstream)
			// So that the registry names this proxy in Location.
			r.Out.Host = r.In.Host
		},
		Transport: transport,
	}, args[2:]...)
}

// newTransport returns a transport that keeps as many connections as there are
// requests at once.
func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true}
}
