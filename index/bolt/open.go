package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/commit"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// growStep is by how much a file grows. By its default, which is for larger
// ones, bbolt would make a new index of 16 MiB.
const growStep = 1 << 20

// fileMode keeps the index to the user of the service: annotations may be
// confidential.
const fileMode = 0o600

// Open opens the index in the file at path, or creates it where there is none;
// the folder must exist. An empty file counts as none: it is what a volume or
// a killed creation leaves, and holds nothing that could be lost.
//
// An index of an earlier format is brought to the present one, which from a format
// before 3 may take minutes where it is large, and for a while twice its space; one that was
// interrupted in that goes on where it was. No earlier version can open it then.
//
// It fails with [index.ErrInUse] when another process has the file open, with
// [index.ErrDamaged] when it is not an index or can't be read, and with
// [index.ErrFormat] when a later version wrote it. Then no byte of the file is
// changed.
func Open(path string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	store, err := open(path, opts)
	if err != nil {
		return nil, fmt.Errorf("open index %s: %w", path, err)
	}
	return store, nil
}

func open(path string, opts Options) (*Store, error) {
	begun := time.Now()
	until := begun.Add(opts.LockTimeout)
	if err := createMissing(path); err != nil {
		return nil, err
	}
	if err := inspect(path, until); err != nil {
		return nil, err
	}
	db, err := openFile(path, until, withFreeList(bbolt.Options{InitialMmapSize: mapSize(path)}))
	if err != nil {
		return nil, err
	}
	db.AllocSize = growStep
	s := &Store{
		db:       db,
		now:      opts.Now,
		versions: index.NewVersions(),
		wake:     make(chan struct{}, 1),
		rested:   make(chan struct{}),
	}
	migrated, err := s.migrate(opts)
	if err != nil {
		return nil, errors.Join(err, guard(db.Close))
	}
	s.free = newFreeList(db, migrated || time.Since(begun) > stillness)
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, guard(db.Close))
	}
	s.failPoint = opts.failPoint
	s.queue = commit.New(s.attempt, commit.Options[change]{Attempted: opts.Attempted})
	go s.upkeep()
	return s, nil
}

// inspect looks at a file without being able to change it. The file may still
// be replaced before it is opened for good, but not by a process that uses it
// as an index: prepare looks again.
func inspect(path string, until time.Time) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if info.Size() == 0 {
		return nil
	}
	db, err := openFile(path, until, bbolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	err = guard(func() error {
		return db.View(func(tx *bbolt.Tx) error { return checkFile(tx, info.Size()) })
	})
	if err := errors.Join(err, guard(db.Close)); err != nil {
		return err
	}
	return checkFreeList(path, until)
}

// checkFile checks what can be checked without reading all of a file.
func checkFile(tx *bbolt.Tx, size int64) error {
	if size < tx.Size() {
		return fmt.Errorf("%w: the file has %d bytes of %d", index.ErrDamaged, size, tx.Size())
	}
	exists, l, err := checkFormat(tx)
	switch {
	case err != nil || !exists:
	case l.current(), l.format == untypedFormat:
		_, err = newWriting(tx, time.Time{})
	default:
		err = checkEarlier(tx)
	}
	return err
}

// checkFormat reports whether tx sees an index, and of which format; a database
// in which nothing was ever written is none yet, and may become one.
func checkFormat(tx *bbolt.Tx) (exists bool, l layout, err error) {
	if first, _ := tx.Cursor().First(); first == nil {
		return false, layout{}, nil
	}
	meta := tx.Bucket([]byte(tableMeta))
	if meta == nil {
		return false, layout{}, fmt.Errorf("%w: it is a bbolt file of another program", index.ErrDamaged)
	}
	l, err = readLayout(meta)
	return err == nil, l, err
}

// prepare brings the file to where a store may use it. An index that is left
// as it should be is not written to.
func (s *Store) prepare() error {
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	var w *writing
	err = guard(func() error {
		exists, _, err := checkFormat(tx)
		if err != nil {
			return err
		}
		if !exists {
			if err := initialize(tx); err != nil {
				return err
			}
		}
		if w, err = newWriting(tx, s.now()); err != nil {
			return err
		}
		w.dirty = !exists
		if err := w.dropOverDeletes(); err != nil {
			return err
		}
		s.mark.Store(w.ledger.Sequence)
		if untidy, err := w.untidy(); err != nil {
			return err
		} else if untidy {
			s.wakeUpkeep()
		}
		return nil
	})
	if err != nil || !w.dirty {
		return errors.Join(err, guard(tx.Rollback))
	}
	s.chooseList(w)
	return guard(tx.Commit)
}

// initialize writes the layout of an empty index.
func initialize(tx *bbolt.Tx) error {
	for _, name := range []table{tableMeta, tableIntents, tableOpen, tableChanges, tableHistory} {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	if err := createGeneration(tx, firstGeneration); err != nil {
		return err
	}
	meta := tx.Bucket([]byte(tableMeta))
	if err := meta.SetSequence(firstGeneration); err != nil {
		return err
	}
	for name, v := range map[field]uint64{
		fieldFormat:     formatVersion,
		fieldGeneration: firstGeneration,
		fieldSequence:   0,
		fieldHorizon:    0,
		fieldBuilding:   0,
		fieldOutbox:     0,
	} {
		if err := meta.Put([]byte(name), number(v)); err != nil {
			return err
		}
	}
	return nil
}

// mapSize returns how much memory is set aside for a file. When the file
// outgrows it, bbolt makes all changes wait for the reads under way, a backup
// too, and all further reads wait for these. It takes addresses and no memory,
// except where the system would make the file as large.
func mapSize(path string) int {
	const least = 16 << 30
	if strconv.IntSize < 64 || runtime.GOOS == "windows" {
		return 0
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	size := max(int64(least), 2*info.Size())
	return int(size)
}

// openFile opens a bbolt file. What it reports as damage is what can't be an
// error of the system.
func openFile(path string, until time.Time, options bbolt.Options) (*bbolt.DB, error) {
	// bbolt waits forever when given no time.
	options.Timeout = max(time.Until(until), time.Millisecond)
	var db *bbolt.DB
	err := guard(func() (err error) {
		db, err = bbolt.Open(path, fileMode, &options)
		return err
	})
	var system syscall.Errno
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, index.ErrInUse
	case errors.Is(err, berrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %w", index.ErrFormat, err)
	case errors.As(err, &system), errors.Is(err, index.ErrDamaged):
		return nil, err
	default:
		return nil, fmt.Errorf("%w: %w", index.ErrDamaged, err)
	}
}

// createMissing makes the file where there is none. It is made whole beside
// its place and then linked there, so that a creation that is killed or runs
// out of space leaves nothing that the next start would find damaged.
func createMissing(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	folder := filepath.Dir(path)
	if _, err := os.Stat(folder); err != nil {
		return fmt.Errorf("folder of the index: %w", err)
	}
	file, err := os.CreateTemp(folder, filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	draft := file.Name()
	defer func() { _ = os.Remove(draft) }()
	if err := file.Close(); err != nil {
		return err
	}
	db, err := bbolt.Open(draft, fileMode, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(initialize), db.Close()); err != nil {
		return err
	}
	if err := place(draft, path); err != nil {
		return err
	}
	return syncFolder(folder)
}

// place gives the draft its name, unless another process was faster.
func place(draft, path string) error {
	err := os.Link(draft, path)
	switch {
	case err == nil, errors.Is(err, fs.ErrExist):
		return nil
	default:
		// A file system without hard links. Two processes that create the
		// same index at once are told apart only where there are some.
		return os.Rename(draft, path)
	}
}

// syncFolder makes the name of a new file durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
