//go:build !postgres

package main

import (
	"context"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
)

func openStore(_ context.Context, path string) (index.Store, error) {
	return bolt.Open(path, bolt.Options{})
}
