package main

import (
	"io/fs"
	"math"
	"syscall"

	"golang.org/x/sys/unix"
)

// mediumOf asks the system about a folder.
func mediumOf(folder string) (medium, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(folder, &stat); err != nil {
		return medium{}, err
	}
	at := medium{free: math.MaxInt64, network: networkOf(int64(stat.Type))} //nolint:unconvert // It is another type on other processors.
	if block := uint64(max(stat.Bsize, 0)); block > 0 && stat.Bavail < math.MaxInt64/block {
		at.free = int64(stat.Bavail * block) //nolint:gosec // It was just compared.
	}
	return at, nil
}

// networkOf names a file system by its number (statfs(2)); empty for one that is
// none of a network.
func networkOf(kind int64) string {
	switch uint32(kind) { //nolint:gosec // The number has 32 bits.
	case unix.NFS_SUPER_MAGIC:
		return "NFS"
	case unix.CIFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC:
		return "SMB"
	case unix.CEPH_SUPER_MAGIC:
		return "CephFS"
	case unix.V9FS_MAGIC:
		return "9p"
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "AFS"
	case unix.CODA_SUPER_MAGIC:
		return "Coda"
	case unix.FUSE_SUPER_MAGIC:
		return "FUSE, which may be one of a network"
	default:
		return ""
	}
}

// ownerOf returns the number of the user that a file belongs to.
func ownerOf(info fs.FileInfo) (uid int, known bool) {
	stat, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return 0, false
	}
	return int(stat.Uid), true
}

// inodeOf returns the number of a file on its disk.
func inodeOf(info fs.FileInfo) (inode uint64, known bool) {
	stat, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return 0, false
	}
	return stat.Ino, true
}
