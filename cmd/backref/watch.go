package main

import (
	"io/fs"
	"maps"
	"os"
)

// watch finds out that files have changed, by looking at them. That finds the
// swapped links of a volume of Kubernetes, files that an editor puts in the place
// of others, and what changes on a file system of the network, of which no kernel
// tells.
type watch struct {
	// counted are the files as they were when they were last read, seen as they
	// were at the last look.
	counted, seen map[string]fs.FileInfo
	// missed says that files were found to be missing at the last look.
	missed bool
}

// What a look at files finds.
type found int

const (
	filesSame found = iota
	// filesChanged are others than those that were read last, and at rest.
	filesChanged
	// filesMissing says that all that has changed is gone or empty for now. It is
	// found once for as long as that lasts.
	filesMissing
)

// count has the files, as they are, be those that are read now.
func (w *watch) count(paths []string) {
	w.counted = stat(paths)
	w.seen = maps.Clone(w.counted)
}

// add has further files be those that were read.
func (w *watch) add(states map[string]fs.FileInfo) {
	for path, info := range states {
		if _, known := w.counted[path]; !known {
			w.counted[path], w.seen[path] = info, info
		}
	}
}

// look tells what has become of the files since they were counted. A change is
// told of when two looks in succession see the same: it may be one of several.
func (w *watch) look(paths []string) found {
	before := w.seen
	w.seen = stat(paths)
	if !sameFiles(before, w.seen) || sameFiles(w.counted, w.seen) {
		w.missed = false
		return filesSame
	}
	for path, now := range w.seen {
		if _, known := w.counted[path]; known && !blank(now) && !same(w.counted[path], now) {
			return filesChanged
		}
	}
	if w.missed {
		return filesSame
	}
	w.missed = true
	return filesMissing
}

// blank tells whether there is nothing to be read.
func blank(info fs.FileInfo) bool {
	return info == nil || info.Mode().IsRegular() && info.Size() == 0
}

// stat returns the state of each file; nil for one that can't be seen.
func stat(paths []string) map[string]fs.FileInfo {
	states := make(map[string]fs.FileInfo, len(paths))
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			info = nil
		}
		states[path] = info
	}
	return states
}

// sameFiles compares the states of files. One that is not in both is left out: it
// is no change of a file that others are named.
func sameFiles(a, b map[string]fs.FileInfo) bool {
	for path, first := range a {
		if second, both := b[path]; both && !same(first, second) {
			return false
		}
	}
	return true
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
