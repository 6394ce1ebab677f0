package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
)

// environment is what the figures depend on.
type environment struct {
	Cores      int    `json:"cores"`
	Processor  string `json:"processor"`
	Memory     string `json:"memory"`
	Kernel     string `json:"kernel"`
	FileSystem string `json:"fileSystem"`
	Load       string `json:"load"`
	Go         string `json:"go"`
	// Commit is that of backref.
	Commit string `json:"commit"`
	// Programs are the versions by name.
	Programs []version `json:"programs"`
	// The settings of the load.
	Connections int     `json:"connections"`
	Threads     int     `json:"threads"`
	Seconds     float64 `json:"seconds"`
	Rounds      int     `json:"rounds"`
}

type version struct {
	Program string `json:"program"`
	Version string `json:"version"`
}

func (b *bench) environment(ctx context.Context) (environment, error) {
	e := environment{
		Cores: runtime.NumCPU(), Go: runtime.Version(), Connections: b.connections, Threads: b.threads,
		Seconds: b.duration.Seconds(), Rounds: b.rounds, Commit: commit(ctx),
		Processor: firstMatch("/proc/cpuinfo", `model name\s*: (.*)`), Memory: firstMatch("/proc/meminfo", `MemTotal:\s*(.*)`),
		Kernel: firstMatch("/proc/sys/kernel/osrelease", `(.*)`), Load: firstMatch("/proc/loadavg", `^(\S+ \S+ \S+)`),
	}
	temp := b.temp
	if temp == "" {
		temp = os.TempDir()
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(temp, &disk); err != nil {
		return e, fmt.Errorf("%s: %w", temp, err)
	}
	e.FileSystem = fileSystem(disk.Type)
	for _, p := range []struct {
		name string
		args []string
	}{
		{distribution2, []string{"--version"}}, {distribution3, []string{"--version"}}, {"olareg", []string{"version"}},
		{"nginx", []string{"-v"}}, {"wrk", []string{"-v"}}, {"h2load", []string{"--version"}},
	} {
		program, err := b.tool(p.name)
		if err != nil {
			return e, err
		}
		e.Programs = append(e.Programs, version{p.name, versionOf(ctx, program, p.args...)})
	}
	for _, of := range b.builds() {
		e.Programs = append(e.Programs, version{of.contender(backrefName), versionOf(ctx, of.program, "version")})
	}
	return e, nil
}

// versionOf returns the first line of what a program says of itself, without
// the folder that it is in. wrk ends with an error after it.
func versionOf(ctx context.Context, program string, args ...string) string {
	output, _ := exec.CommandContext(ctx, program, args...).CombinedOutput()
	line, _, _ := strings.Cut(strings.ReplaceAll(string(output), program, ""), "\n")
	return strings.Join(strings.Fields(line), " ")
}

// commit returns the commit of the checkout that the program runs in.
func commit(ctx context.Context) string {
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "HEAD").Output()
	if err != nil {
		return "not known"
	}
	commit := strings.TrimSpace(string(head))
	if changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output(); err != nil || len(changed) > 0 {
		commit += ", with changes"
	}
	return commit
}

// firstMatch returns what a pattern finds in a file.
func firstMatch(path, pattern string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return "not known"
	}
	match := regexp.MustCompile(pattern).FindStringSubmatch(string(content))
	if match == nil {
		return "not known"
	}
	return match[1]
}

// fileSystem names a file system by its number (statfs(2)).
func fileSystem(number int64) string {
	switch number {
	case 0xef53:
		return "ext4"
	case 0x58465342:
		return "xfs"
	case 0x9123683e:
		return "btrfs"
	case 0x01021994:
		return "tmpfs, which makes nothing durable"
	case 0x794c7630:
		return "overlayfs"
	default:
		return fmt.Sprintf("%#x", number)
	}
}

func (e environment) write(text *strings.Builder) {
	writeHead(text, "", "")
	writeRow(text, "machine", fmt.Sprintf("%d cores, %s, %s", e.Cores, e.Processor, e.Memory))
	writeRow(text, "kernel, file system", e.Kernel+", "+e.FileSystem)
	writeRow(text, "load before the run", e.Load)
	writeRow(text, "Go", e.Go)
	writeRow(text, "commit of backref", e.Commit)
	for _, p := range e.Programs {
		writeRow(text, p.Program, p.Version)
	}
	writeRow(text, "load", fmt.Sprintf("%d connections, %d threads of wrk, %g s a measurement, %d rounds", e.Connections, e.Threads, e.Seconds, e.Rounds))
}
