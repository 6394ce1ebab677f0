package rig

import (
	"os/exec"
	"regexp"
	"testing"
)

// Program is any other program that runs.
type Program struct {
	// Ready is what the pattern of [NewProgram] found.
	Ready string
	*process
	t testing.TB
}

// NewProgram runs a program until the test is over and waits for a line of its
// standard error that matches a pattern with one group.
func NewProgram(t testing.TB, name string, ready *regexp.Regexp, cmd *exec.Cmd) *Program {
	t.Helper()
	p := &Program{t: t}
	p.process, p.Ready = start(t, name, ready, cmd)
	return p
}

// Stop ends the program with SIGTERM, which has to go well.
func (p *Program) Stop() {
	p.t.Helper()
	if err := p.stop(); err != nil {
		p.t.Errorf("%s ended badly: %v\n%s", p.name, err, p.tail())
	}
}

// Log returns the lines of its standard error so far.
func (p *Program) Log() []string {
	return p.lines()
}
