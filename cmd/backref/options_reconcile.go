package main

import (
	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// sourceOptions returns what the configuration says of how maintenance asks the
// registry: within the limits that clients are served in, as many questions at
// once as it may ask itself.
func sourceOptions(cfg config.Config, behind *upstream.Registry, store index.Maintainer) reconcile.SourceOptions {
	limits := cfg.Limits
	return reconcile.SourceOptions{
		Upstream: behind, Index: store, Rate: cfg.Reconcile.Rate, Anonymous: cfg.Upstream.Service.Anonymous,
		Limits: registry.Limits{
			Manifest: index.ManifestLimits{
				Depth: limits.ManifestDepth, Descriptors: limits.ManifestDescriptors, Annotations: limits.ManifestAnnotations,
			},
			Size: int64(limits.ManifestSize), Descriptor: int(limits.DescriptorSize),
			Entries: limits.TagEntries, ListEntries: limits.ListEntries, Concurrency: cfg.Reconcile.Concurrency,
		},
	}
}

// reconcileSettings returns what the configuration says of how a rebuild, a
// verification and the background verification go about their work.
func reconcileSettings(cfg config.Reconcile) reconcile.Settings {
	return reconcile.Settings{Concurrency: cfg.Concurrency, MissingTwice: cfg.MissingTwice, VerifyInterval: cfg.VerifyInterval}
}
