package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// holderOf names the process that has a file locked, as far as the system tells;
// empty where it doesn't.
func holderOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	inode, known := inodeOf(info)
	if !known {
		return ""
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return ""
	}
	defer func() { _ = locks.Close() }()
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		if process := lockHolder(lines.Text(), inode); process > 0 {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", process))
			return strings.TrimSuffix(fmt.Sprintf(" (process %d, %s", process, strings.TrimSpace(string(name))), ", ") + ")"
		}
	}
	return ""
}

// lockHolder reads a line of /proc/locks, and returns the process that holds a file
// by it, 0 for none. Such a line is
//
//	1: FLOCK  ADVISORY  WRITE 4711 08:01:131085 0 EOF
func lockHolder(line string, inode uint64) int {
	fields := strings.Fields(line)
	if len(fields) != 8 || fields[1] != "FLOCK" {
		return 0
	}
	_, number, found := cutLast(fields[5], ":")
	if !found || number != strconv.FormatUint(inode, 10) {
		return 0
	}
	process, err := strconv.Atoi(fields[4])
	if err != nil {
		return 0
	}
	return max(process, 0)
}

func cutLast(text, separator string) (before, after string, found bool) {
	at := strings.LastIndex(text, separator)
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+len(separator):], true
}
