package main

import (
	"github.com/backref/backref/config"
	"github.com/backref/backref/upstream"
)

// upstreamOptions returns what the configuration says of the registry.
func upstreamOptions(cfg config.Upstream) upstream.Options {
	return upstream.Options{
		URL:     cfg.URL,
		Service: upstream.Service(cfg.Service),
		TLS:     upstream.TLS(cfg.TLS),
		Timeouts: upstream.Timeouts{
			Connect:        cfg.Timeouts.Connect,
			ResponseHeader: cfg.Timeouts.ResponseHeader,
			Stall:          cfg.Timeouts.Stall,
			Idle:           cfg.Timeouts.Idle,
			Query:          cfg.Timeouts.Query,
		},
		MaxIdleConnections: cfg.MaxIdleConnections,
		StandardTransport:  cfg.Transport == config.TransportStandard,
	}
}
