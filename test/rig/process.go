package rig

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTimeout is how long a program may take to say that it listens.
const startTimeout = 30 * time.Second

// process is a program that runs.
type process struct {
	name   string
	cmd    *exec.Cmd
	exited chan struct{}

	mutex sync.Mutex
	log   []string
	err   error
}

// start runs a program until the test is over and waits for a line in its log
// that matches, whose first group it returns.
func start(t testing.TB, name string, ready *regexp.Regexp, cmd *exec.Cmd) (*process, string) {
	t.Helper()
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = nil
	p := &process{name: name, cmd: cmd, exited: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	found := make(chan string, 1)
	go p.follow(logs, ready, found)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("log of %s (process %d):\n%s", name, cmd.Process.Pid, p.tail())
		}
	})
	select {
	case match := <-found:
		return p, match
	case <-p.exited:
		t.Fatalf("%s ended at once: %v\n%s", name, p.failure(), p.tail())
	case <-time.After(startTimeout):
		t.Fatalf("%s is not ready:\n%s", name, p.tail())
	}
	return nil, ""
}

// follow keeps the log until the program ends.
func (p *process) follow(logs io.Reader, ready *regexp.Regexp, found chan<- string) {
	lines := bufio.NewScanner(logs)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		p.mutex.Lock()
		p.log = append(p.log, lines.Text())
		p.mutex.Unlock()
		if match := ready.FindStringSubmatch(lines.Text()); match != nil {
			select {
			case found <- match[1]:
			default:
			}
		}
	}
	err := p.cmd.Wait()
	p.mutex.Lock()
	p.err = err
	p.mutex.Unlock()
	close(p.exited)
}

// kill ends the program with SIGKILL and waits.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// stop ends the program with SIGTERM, waits, and returns how it ended.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	<-p.exited
	return p.failure()
}

func (p *process) failure() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.err
}

// lines returns the log so far.
func (p *process) lines() []string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return append([]string(nil), p.log...)
}

func (p *process) tail() string {
	lines := p.lines()
	const most = 20
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
