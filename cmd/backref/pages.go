package main

import (
	"context"
	"net"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy"
	"github.com/backref/backref/proxy/ui"
)

// pagesOfOperators is the path of the web page on the admin listener.
const pagesOfOperators = "/ui"

// operatorPages returns the web page of the admin listener; nil where it is off. Who
// sees it the listener decides, and whoever does sees all.
func (s *server) operatorPages(door *proxy.Proxy, operations http.Handler) (http.Handler, error) {
	if !s.config.UI.Admin {
		return nil, nil
	}
	o := s.pages(door)
	o.Base, o.Operations = pagesOfOperators, operations
	o.Viewers = ui.ViewersFunc(func(*http.Request) (ui.Viewer, error) {
		return ui.Viewer{Name: "operator", As: func(ctx context.Context) context.Context {
			return proxy.Visitor{Operator: true}.As(ctx)
		}}, nil
	})
	o.Place = func(r *http.Request) ui.Place { return ui.Place{Host: s.clientHost(r)} }
	pages, err := ui.New(o)
	if err != nil {
		return nil, err
	}
	s.background = append(s.background, pages.Run)
	return pages, nil
}

// pages returns what all pages are made of.
func (s *server) pages(door *proxy.Proxy) ui.Options {
	return ui.Options{Door: door, Elsewhere: s.upstream.Elsewhere(), Judge: s.judgeForPages, Log: s.log}
}

// judgeForPages tells a page who signed, by the signers that are configured now.
func (s *server) judgeForPages(ctx context.Context, repository string, subject digest.Digest, artifact oci.Descriptor, source *client.Repository) (ui.Judgement, error) {
	verdict, err := s.verifier.Load().Judge(ctx, source, repository, oci.Descriptor{Digest: subject}, artifact)
	judged := ui.Judgement{Signature: verdict.Signature, Verified: verdict.Verified, By: verdict.By, Reason: verdict.Reason}
	for _, claimed := range verdict.Claims {
		if signer := claimed.Signer(); signer != "" {
			judged.Claims = append(judged.Claims, signer)
		}
	}
	return judged, err
}

// clientHost returns how registry clients call the registry, as far as a request to the
// admin listener tells: server.publicURL, else the same machine at the port of
// server.listen.
func (s *server) clientHost(r *http.Request) string {
	if public := s.config.Server.PublicURL; public != nil {
		return public.Host
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	_, port, err := net.SplitHostPort(s.front.Addr().String())
	if err != nil || port == "" {
		return host
	}
	return net.JoinHostPort(host, port)
}
