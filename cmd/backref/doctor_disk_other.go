//go:build !linux

package main

import (
	"errors"
	"io/fs"
	"os"
)

// mediumOf tells only whether there is a folder.
func mediumOf(folder string) (medium, error) {
	if _, err := os.Stat(folder); err != nil {
		return medium{}, err
	}
	return medium{}, errors.New("this system does not tell")
}

// ownerOf does not tell.
func ownerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

// inodeOf does not tell.
func inodeOf(fs.FileInfo) (inode uint64, known bool) { return 0, false }
