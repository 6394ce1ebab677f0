package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/backref/backref/index"
	"go.etcd.io/bbolt"
)

var _ index.Copier = (*Store)(nil)

// Backup implements [index.Copier].
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	out := &backupWriter{ctx: ctx, w: w}
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(out)
		return err
	})
	switch {
	case out.err != nil:
		// bbolt does not wrap it.
		err = out.err
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("%w: the file is too short", index.ErrDamaged)
	}
	if err != nil {
		return fmt.Errorf("back up index: %w", err)
	}
	return nil
}

// backupWriter ends with its context and remembers why it failed.
type backupWriter struct {
	ctx context.Context
	w   io.Writer
	err error
}

func (b *backupWriter) Write(p []byte) (n int, err error) {
	if err = b.ctx.Err(); err == nil {
		n, err = b.w.Write(p)
	}
	b.err = err
	return n, err
}
