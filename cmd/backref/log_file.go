package main

import (
	"os"
	"sync"

	"go.uber.org/zap"
)

// logFile is a file that lines are appended to, so that another program may
// truncate it. It may be used concurrently.
type logFile struct {
	path string
	// log hears that lines are lost.
	log *zap.Logger

	mutex  sync.Mutex
	file   *os.File
	losing bool
}

// logFileMode lets those read it who are in the group of the file: a program that
// collects logs.
const logFileMode = 0o640

func openLogFile(path string, log *zap.Logger) (*logFile, error) {
	f := &logFile{path: path, log: log}
	return f, f.reopen()
}

// reopen opens the file anew. Where that fails the one before stays.
func (f *logFile) reopen() error {
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, logFileMode)
	if err != nil {
		return err
	}
	f.mutex.Lock()
	before := f.file
	f.file = file
	f.mutex.Unlock()
	if before == nil {
		return nil
	}
	return before.Close()
}

// Write implements [io.Writer]. Lines that can't be written are lost, which the
// log says once: whoever gathers lines would write none after an error.
func (f *logFile) Write(lines []byte) (int, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	_, err := f.file.Write(lines)
	switch {
	case err != nil && !f.losing:
		f.log.Error("lines of requests can't be written, and are lost", zap.Error(err))
	case err == nil && f.losing:
		f.log.Info("lines of requests are written again")
	}
	f.losing = err != nil
	return len(lines), nil
}

// Close implements [io.Closer].
func (f *logFile) Close() error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.file.Close()
}
