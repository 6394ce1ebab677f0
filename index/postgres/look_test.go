package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/postgres"
)

// A look tells what there is, and makes nothing.
func TestLook(t *testing.T) {
	options := newOptions()
	for range 2 {
		looked, err := postgres.Look(t.Context(), options)
		must(t, err)
		if away := time.Since(looked.Now).Abs(); looked.Format != 0 || looked.Standby || looked.Server == "" || away > time.Hour {
			t.Fatalf("%+v", looked)
		}
	}
	must(t, mustOpen(t, options).Close())
	looked, err := postgres.Look(t.Context(), options)
	must(t, err)
	if looked.Format != 1 {
		t.Errorf("%+v", looked)
	}
	conn, err := pgx.Connect(t.Context(), options.URL)
	must(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	_, err = conn.Exec(t.Context(), `UPDATE `+pgx.Identifier{options.Schema}.Sanitize()+`.meta SET format = 99`)
	must(t, err)
	if _, err := postgres.Look(t.Context(), options); !errors.Is(err, index.ErrFormat) {
		t.Errorf("a later format: %v", err)
	}
}
