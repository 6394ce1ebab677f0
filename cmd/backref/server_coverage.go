package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/backref/backref/client"
	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/coverage"
	"github.com/backref/backref/proxy"
	"github.com/backref/backref/proxy/ui"
	"github.com/backref/backref/reconcile"
)

const (
	// coverageHost is what the door is called by who counts images.
	coverageHost = "backref.internal"
	// coveragePage is how many tags it has looked up before it waits as reconcile.rate
	// asks.
	coveragePage = 250
)

// newCoverage returns what counts by coverage.rules. It asks the door within this
// process as an operator does, that is with upstream.service.
func (s *server) newCoverage(handler *proxy.Proxy, metrics *prometheus.Registry) (*reconcile.Coverage, error) {
	plain := true
	by, err := client.New(client.Options{
		PlainHTTP: &plain, UserAgent: "backref",
		Way:        ui.InProcess(handler, coverageHost, s.upstream.Elsewhere(), proxy.Visitor{Operator: true}.As),
		Credential: auth.StaticCredential(coverageHost, auth.EmptyCredential),
	})
	if err != nil {
		return nil, err
	}
	return reconcile.NewCoverage(reconcile.CoverageOptions{
		Source: s.source, Log: s.log, Metrics: metrics,
		Settings: func() reconcile.CoverageSettings { return *s.coverage.Load() },
		Ask: func(ctx context.Context, repository string, rule reconcile.CoverageRule, pace func(int) error) (coverage.Summary, error) {
			return countCoverage(ctx, by.Repository(client.Reference{Host: coverageHost, Repository: repository}), rule, pace)
		},
	}), nil
}

// countCoverage counts the images of a repository, each once.
func countCoverage(ctx context.Context, repository *client.Repository, rule reconcile.CoverageRule, pace func(tags int) error) (coverage.Summary, error) {
	query := client.CoverageQuery{Requirements: rule.Require, SignedBy: rule.SignedBy, Page: coveragePage}
	if rule.MaxAge > 0 {
		query.MaxAge = rule.MaxAge.String()
	}
	summary := coverage.NewSummary(rule.Require)
	var pages [][]coverage.Image
	err := repository.EachCoverage(ctx, query, func(images []coverage.Image) error {
		pages = append(pages, images)
		tags := 0
		for _, image := range images {
			tags += len(image.Tags)
		}
		return pace(tags)
	})
	switch {
	case errors.Is(err, client.ErrNotFound):
		return summary, fmt.Errorf("%w: %w", reconcile.ErrNoRepository, err)
	case err != nil:
		return summary, err
	}
	for _, image := range coverage.Merge(pages...) {
		summary.Add(image)
	}
	return summary, nil
}

// prepareCoverage has changed rules counted by at the next look.
func (s *server) prepareCoverage(cfg config.Config) (func(), error) {
	settings, err := options.Coverage(cfg)
	return func() { s.coverage.Store(&settings) }, err
}
