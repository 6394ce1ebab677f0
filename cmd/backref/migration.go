package main

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/index"
)

// migrationPause is how often the log says how far a migration is.
const migrationPause = 5 * time.Second

// tellMigration returns what writes to the log that an index of an earlier
// format is brought forward, and ends that with ctx.
func tellMigration(ctx context.Context, log *zap.Logger) func(index.Migration) error {
	begun := time.Now()
	said := begun
	return func(m index.Migration) error {
		formats := []zap.Field{zap.Int("from", m.From), zap.Int("to", m.To), zap.Int64("moved", m.Moved)}
		switch {
		case m.Done:
			log.Warn("the index has the format of this version now", append(formats, zap.Duration("durationSeconds", time.Since(begun)))...)
			return nil
		case m.Moved == 0:
			begun, said = time.Now(), time.Now()
			log.Warn("the index is brought to the format of this version; earlier ones can't open it any more", formats...)
		case time.Since(said) >= migrationPause:
			said = time.Now()
			log.Warn("the index is still being brought forward", formats...)
		}
		return ctx.Err()
	}
}
