package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/backref/backref/test/rig"
)

// stage is the folder and the programs of one family of scenarios.
type stage struct {
	*bench
	dir       string
	ctx       context.Context //nolint:containedctx // the life of the programs
	end       context.CancelFunc
	processes []*process
	// databases are servers of PostgreSQL.
	databases []*rig.Postgres
	// notes go into the report.
	notes []string
}

func (b *bench) newStage(ctx context.Context) (*stage, error) {
	dir, err := os.MkdirTemp(b.temp, "backref-bench-")
	if err != nil {
		return nil, err
	}
	s := &stage{bench: b, dir: dir}
	s.ctx, s.end = context.WithCancel(ctx)
	return s, os.WriteFile(s.script(), []byte(wrkScript), 0o600)
}

// close ends the programs, waits for them, and removes the folder.
func (s *stage) close() {
	s.end()
	for _, p := range s.processes {
		<-p.exited
	}
	for _, database := range s.databases {
		if err := database.Close(); err != nil {
			s.say("end PostgreSQL: %v", err)
		}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		s.say("remove %s: %v", s.dir, err)
	}
}

// script is where wrk reads what it does.
func (s *stage) script() string { return filepath.Join(s.dir, "load.lua") }

// folder makes a folder.
func (s *stage) folder(name string) (string, error) {
	path := filepath.Join(s.dir, name)
	return path, os.MkdirAll(path, 0o755)
}

// process is a program that was started.
type process struct {
	name   string
	log    string
	cmd    *exec.Cmd
	exited chan struct{}
	// err is how it ended, once exited is closed.
	err error
}

// start starts a program, which runs until the stage is closed. Its output
// goes to a file.
func (s *stage) start(name, program string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(s.dir, name+".log"), exited: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p.cmd = exec.CommandContext(s.ctx, program, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = s.dir, log, log
	p.cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 20 * time.Second
	err = p.cmd.Start()
	if err := errors.Join(err, log.Close()); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s.processes = append(s.processes, p)
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// stop ends the program by SIGTERM and waits for it.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	<-p.exited
	if p.err != nil {
		return fmt.Errorf("%s ended badly: %w\n%s", p.name, p.err, p.tail())
	}
	return nil
}

// tail returns the end of the program's log.
func (p *process) tail() string {
	const most = 2000
	log, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(log[max(0, len(log)-most):]))
}

// server is a program that listens.
type server struct {
	*process
	// address is host:port, url the same with the scheme.
	address, url string
}

// readyTimeout is how long a program may take until it accepts connections.
const readyTimeout = 30 * time.Second

// readyInterval is how often it is asked.
const readyInterval = 2 * time.Millisecond

// serve starts a program that listens on a free port, and waits until it does.
func (s *stage) serve(name string, command func(address string) (program string, args []string, err error)) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	program, args, err := command(address)
	if err != nil {
		return nil, err
	}
	p, err := s.start(name, program, args...)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(readyTimeout); time.Now().Before(deadline); {
		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return &server{process: p, address: address, url: "http://" + address}, connection.Close()
		}
		select {
		case <-p.exited:
			return nil, fmt.Errorf("%s ended at once: %w\n%s", name, p.err, p.tail())
		case <-time.After(readyInterval):
		}
	}
	return nil, fmt.Errorf("%s is not ready:\n%s", name, p.tail())
}

// freeAddress returns an address on loopback that nobody listens on.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
