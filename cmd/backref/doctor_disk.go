package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// medium is what the system tells of where a file is.
type medium struct {
	// free is the room that there is for this user, in bytes.
	free int64
	// network names the file system where it is one of a network; empty elsewhere.
	network string
}

// diskChecks look at where the file of the index is.
func (d *doctor) diskChecks() []check {
	if d.cfg.Index.Postgres.URL != "" {
		return nil
	}
	return []check{
		{"disk.space", d.here(d.checkSpace)},
		{"disk.kind", d.here(d.checkKind)},
		{"disk.index", d.here(d.checkIndexMode)},
	}
}

// here is a check of the file of the index, which has to be on this machine. A disk
// that hangs, as one of a network does, is given up on.
func (d *doctor) here(look func(path string) finding) func(context.Context) []finding {
	return func(ctx context.Context) []finding {
		path := d.cfg.Index.Path
		if _, set := d.set[keyIndexPath]; d.named != "" && !set {
			return one(notCheckedf("the file of the index is where the server is").advise("run backref doctor there with the server's configuration"))
		}
		found := make(chan finding, 1)
		go func() { found <- look(path) }()
		select {
		case f := <-found:
			return one(f)
		case <-ctx.Done():
			return one(failf("%s: the disk gives no answer within %s", path, d.timeout).advise("see the log of the system"))
		}
	}
}

// checkSpace tells whether there is room for the index.
func (d *doctor) checkSpace(path string) finding {
	folder := filepath.Dir(path)
	at, err := mediumOf(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return failf("the folder %s is not there", folder).advise("make it, for the user of the server, or set index.path")
	case err != nil:
		return notCheckedf("%s: %v", folder, err)
	}
	size := int64(0)
	if info, err := os.Stat(path); err == nil {
		size = info.Size()
	}
	return judgeSpace(folder, at.free, size)
}

const (
	// leastFree is what a full disk has left: pushes are refused then.
	leastFree = 32 << 20
	// fewFree is too little for long.
	fewFree = 512 << 20
)

// judgeSpace judges by the free room and the size of the index in bytes. A rebuild,
// and a change of the format, take its room again.
func judgeSpace(folder string, free, size int64) finding {
	switch {
	case free < leastFree:
		return failf("%s free in %s: the disk is full, and pushes are refused", sizeText(free), folder).advise("make room there, or move the index by index.path")
	case free < size:
		return warnf("%s free in %s, less than the index has (%s): a rebuild, or an upgrade that changes the format, needs as much again", sizeText(free), folder, sizeText(size)).
			advise("make room there, or move the index by index.path")
	case free < fewFree:
		return warnf("%s free in %s", sizeText(free), folder).advise("make room there, or move the index by index.path")
	default:
		return okf("%s free in %s, the index has %s", sizeText(free), folder, sizeText(size))
	}
}

// checkKind tells whether the file system is fit for a file that is locked and
// mapped into memory.
func (d *doctor) checkKind(path string) finding {
	folder := filepath.Dir(path)
	at, err := mediumOf(folder)
	switch {
	case err != nil:
		return notCheckedf("%s: %v", folder, err)
	case at.network != "":
		return warnf("%s is on %s: locks and mapped memory of other machines are not safe there, nor is what was written after a loss of the connection", folder, at.network).
			advise("move the index to a local disk by index.path, or to PostgreSQL by index.postgres.url")
	default:
		return okf("%s is on a local file system", folder)
	}
}

// checkIndexMode tells whether others can read the index, or this user can't.
func (d *doctor) checkIndexMode(path string) finding {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return notCheckedf("there is no file %s yet: backref serve makes it", path)
	case err != nil:
		return failf("%v", err).advise("let the user of the server reach it")
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return warnf("%s has mode %#o: others than its owner can use it, and annotations may be confidential", path, mode).advise("chmod 600 %s", path)
	}
	owner, known := ownerOf(info)
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil || !known {
		return okf("%s has mode %#o", path, info.Mode().Perm())
	}
	keeper, _ := ownerOf(folder)
	return judgeOwner(path, owner, keeper, os.Geteuid())
}

// judgeOwner judges by the numbers of the users that own a file and its folder,
// and of the one who looks.
func judgeOwner(path string, owner, folder, self int) finding {
	switch {
	case self != 0 && owner != self:
		return warnf("%s belongs to user %d, and this is user %d", path, owner, self).
			advise("run backref doctor as the user of the server; if this is the one, chown %d %s", self, path)
	case self == 0 && owner == 0 && folder != 0:
		return warnf("%s belongs to root, its folder to user %d: a command that was run as root may have made it, and a server that runs as that user can't open it", path, folder).
			advise("chown %d %s", folder, path)
	default:
		return okf("%s is its owner's alone, user %d", path, owner)
	}
}
