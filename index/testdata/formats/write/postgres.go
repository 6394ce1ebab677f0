//go:build postgres

package main

import (
	"context"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/postgres"
)

func openStore(ctx context.Context, url string) (index.Store, error) {
	return postgres.Open(ctx, postgres.Options{URL: url})
}
