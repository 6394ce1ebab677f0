package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"github.com/backref/backref/index"
)

// Looked is what [Look] found in a file.
type Looked struct {
	// Format is the number of the file's format; 0 where there is no index yet.
	Format int
	// Current says that it is the one of this version.
	Current bool
	// Stats and Intents are what the index holds; only where Current is set.
	Stats   index.Stats
	Intents []index.Intent
}

// Look reads what the file at path holds, and changes nothing: a file of an
// earlier format stays as it is, and none is made. Another process can't open the
// file meanwhile. It waits for no other process, and fails as [Open] does; without
// a file the error matches [fs.ErrNotExist].
func Look(ctx context.Context, path string) (Looked, error) {
	looked, err := look(ctx, path)
	if err != nil {
		return Looked{}, fmt.Errorf("look at index %s: %w", path, err)
	}
	return looked, nil
}

func look(ctx context.Context, path string) (looked Looked, err error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return looked, err
	case !info.Mode().IsRegular():
		return looked, errors.New("not a regular file")
	case info.Size() == 0:
		return looked, nil
	}
	// bbolt waits forever when given no time.
	db, err := openFile(path, time.Now().Add(time.Millisecond), bbolt.Options{ReadOnly: true})
	if err != nil {
		return looked, err
	}
	err = guard(func() error {
		return db.View(func(tx *bbolt.Tx) error {
			looked, err = lookAt(ctx, tx, info.Size())
			return err
		})
	})
	return looked, errors.Join(err, guard(db.Close))
}

func lookAt(ctx context.Context, tx *bbolt.Tx, size int64) (looked Looked, err error) {
	if err := checkFile(tx, size); err != nil {
		return looked, err
	}
	exists, l, err := checkFormat(tx)
	if err != nil || !exists {
		return looked, err
	}
	// The first version's files say 1, as those of the next do.
	looked.Format, looked.Current = max(1, int(l.format)), l.current() //nolint:gosec // A small number, which readLayout has checked.
	if !looked.Current {
		return looked, nil
	}
	if looked.Stats, err = statsOf(ctx, tx); err == nil {
		looked.Intents, err = intentsOf(tx, 0, 0)
	}
	return looked, err
}
