package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Looked is what [Look] found in a database.
type Looked struct {
	// Now is the time by the database's clock.
	Now time.Time
	// Server is the version of the database, as it says.
	Server string
	// Standby says that it takes no changes.
	Standby bool
	// Format is the number of the tables' format; 0 where there are none yet.
	Format int
}

// Look asks the database and changes nothing: no tables are made. Where a later
// version made what this one can't use, the error is [index.ErrFormat].
func Look(ctx context.Context, opts Options) (Looked, error) {
	looked, err := look(ctx, opts.withDefaults())
	if err != nil {
		return Looked{}, fmt.Errorf("look at index in PostgreSQL: %w", err)
	}
	return looked, nil
}

func look(ctx context.Context, opts Options) (looked Looked, err error) {
	cfg, err := pgx.ParseConfig(opts.URL)
	if err != nil {
		return looked, err
	}
	if opts.Password != "" {
		cfg.Password = opts.Password
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return looked, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	meta := pgx.Identifier{opts.Schema, "meta"}.Sanitize()
	var made bool
	err = conn.QueryRow(ctx, `SELECT clock_timestamp(), current_setting('server_version'), pg_is_in_recovery(), to_regclass($1) IS NOT NULL`, meta).
		Scan(&looked.Now, &looked.Server, &looked.Standby, &made)
	if err != nil || !made {
		return looked, err
	}
	if err := conn.QueryRow(ctx, `SELECT format FROM `+meta).Scan(&looked.Format); err != nil {
		return looked, fmt.Errorf("read the format of schema %s: %w", opts.Schema, err)
	}
	return looked, checkFormat(looked.Format)
}
