package options

import (
	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/upstream"
)

// Source returns what the configuration says of how maintenance asks the
// registry: within the limits that clients are served in, as many questions at
// once as it may ask itself.
func Source(cfg config.Config, behind *upstream.Registry, store index.Maintainer) reconcile.SourceOptions {
	return reconcile.SourceOptions{
		Upstream: behind, Index: store, Rate: cfg.Reconcile.Rate, Anonymous: cfg.Upstream.Service.Anonymous,
		Limits: registryLimits(cfg.Limits, cfg.Reconcile.Concurrency),
	}
}

// Reconcile returns what the configuration says of how a rebuild, a
// verification and the background verification go about their work.
func Reconcile(cfg config.Reconcile) reconcile.Settings {
	return reconcile.Settings{Concurrency: cfg.Concurrency, MissingTwice: cfg.MissingTwice, VerifyInterval: cfg.VerifyInterval}
}
