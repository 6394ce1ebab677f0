package main

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/notice"
)

// openNotices makes what tells of new referrers, and has the index remember them before
// the first request is served.
func (s *server) openNotices(metrics *prometheus.Registry) error {
	s.notices = notice.New(notice.Options{
		Store: s.store, Log: s.log, Metrics: metrics, PublicURL: s.config.Server.PublicURL,
		Get: func(ctx context.Context, key index.Key) (index.Record, error) {
			return s.store.Get(ctx, key.Repository, key.Digest)
		},
	})
	apply, err := s.prepareNotices(s.config)
	if err != nil {
		return err
	}
	apply()
	return nil
}

func (s *server) prepareNotices(cfg config.Config) (func(), error) {
	settings, err := options.Notices(cfg.Notices)
	if err != nil {
		return nil, err
	}
	return s.notices.Prepare(context.Background(), settings)
}
