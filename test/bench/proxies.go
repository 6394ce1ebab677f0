package main

import (
	"context"
	"path/filepath"
)

// The names of what stands in front of a registry, or is one.
const (
	direct2      = "Distribution 2.8 directly"
	direct3      = "Distribution 3 directly"
	nginxProxy   = "nginx proxy_pass"
	reverseProxy = "httputil.ReverseProxy"
	cacheName    = "backref, manifest cache"
)

// manifestCache is the setting of [cacheName].
const manifestCache = "cache.manifests=64MiB"

// peer is a server that is asked for what a registry holds. The proxies are
// all in front of the same Distribution 2.8.
type peer struct {
	name    string
	server  *server
	skipped string
	// byTag says that referrers are pushed to it by tags.
	byTag bool
	// lists says that it is a backref, which lists what was pushed.
	lists bool
}

// startPeers starts all peers.
func (s *stage) startPeers(ctx context.Context) ([]peer, error) {
	var peers []peer
	var err error
	add := func(name string, start func() (*server, error)) {
		if err != nil {
			return
		}
		var started *server
		started, err = start()
		peers = append(peers, peer{name: name, server: started})
	}
	add(direct2, func() (*server, error) { return s.registry(distribution2) })
	add(direct3, func() (*server, error) { return s.registry(distribution3) })
	add(nginxProxy, func() (*server, error) { return s.nginxProxy(peers[0].server) })
	add(reverseProxy, func() (*server, error) { return s.self("reverse-proxy", peerProxy, peers[0].server.url) })
	for _, of := range s.builds() {
		add(of.contender(backrefName), func() (*server, error) {
			return s.startBuild(of, "backref", peers[0].server.url, filepath.Join(s.dir, "backref"+of.suffix+".db"))
		})
	}
	if err != nil {
		return nil, err
	}
	unknown, err := s.today().unknownSetting(ctx, manifestCache)
	if err != nil || unknown != "" {
		return append(peers, peer{name: cacheName, skipped: unknown}), err
	}
	add(cacheName, func() (*server, error) {
		return s.startBackref("backref-cache", peers[0].server.url, filepath.Join(s.dir, "backref-cache.db"), manifestCache)
	})
	return peers, err
}

// registries are the peers that hold content.
func registries(peers []peer) []peer { return peers[:2] }
