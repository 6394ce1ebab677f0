package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// KillHard ends all processes of the server with SIGKILL, as the machine does
// that it runs on. Start brings it back as it was.
func (p *Postgres) KillHard() error {
	// Whoever is stopped starts no other.
	if err := p.Freeze(); err != nil {
		return err
	}
	if err := p.signalAll(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.ended
	return p.dropSharedMemory()
}

// Freeze stops all processes of the server, which keep their connections and
// say nothing; Thaw has them go on.
func (p *Postgres) Freeze() error { return p.signalAll(syscall.SIGSTOP) }

// Thaw ends [Postgres.Freeze].
func (p *Postgres) Thaw() error { return p.signalAll(syscall.SIGCONT) }

// signalAll sends a signal to the server's first process and all that it has
// started.
func (p *Postgres) signalAll(signal syscall.Signal) error {
	// The first one stops before its children are asked for, and dies after them.
	last := signal == syscall.SIGKILL
	if !last {
		if err := p.cmd.Process.Signal(signal); err != nil {
			return fmt.Errorf("signal PostgreSQL: %w", err)
		}
	}
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.PID, p.PID))
	if err != nil {
		return fmt.Errorf("find the processes of PostgreSQL: %w", err)
	}
	for _, text := range strings.Fields(string(content)) {
		child, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		if err := syscall.Kill(child, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal PostgreSQL: %w", err)
		}
	}
	if last {
		return p.cmd.Process.Signal(signal)
	}
	return nil
}

// dropSharedMemory removes the segment by which a server knows that another has
// its files, which only an end in order removes.
func (p *Postgres) dropSharedMemory() error {
	content, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if err != nil {
		return err
	}
	// The seventh line is the key and the identifier.
	lines := strings.Split(string(content), "\n")
	const line = 6
	if len(lines) <= line {
		return nil
	}
	fields := strings.Fields(lines[line])
	if len(fields) != 2 {
		return nil
	}
	id, err := strconv.Atoi(fields[1])
	if err != nil {
		return err
	}
	const remove = 0
	if _, _, failed := syscall.Syscall(syscall.SYS_SHMCTL, uintptr(id), remove, 0); failed != 0 && failed != syscall.EINVAL {
		return fmt.Errorf("remove shared memory of PostgreSQL: %w", failed)
	}
	return nil
}
