package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Names of contenders that copy.
const (
	backrefBefore    = "backref, before"
	orasName         = "oras cp -r"
	regctlName       = "regctl image copy --referrers"
	regctlDigestTags = "regctl, digest tags too"
	craneName        = "crane copy"
	skopeoName       = "skopeo copy --all"
)

// copyTool is a program that copies an image.
type copyTool struct {
	name    string
	skipped string
	// program returns its path.
	program func() (string, error)
	args    func(from, to string) []string
}

// copyTools returns the contenders of a comparison. What brings no referrers takes
// part where there are none.
func (c *copies) copyTools(comparison string) []copyTool {
	own := func(from, to string) []string {
		return []string{"copy", "--referrers", "--quiet", from, to}
	}
	all := []copyTool{{name: backrefName, program: func() (string, error) { return c.backref, nil }, args: own}}
	if c.before != "" {
		all = append(all, copyTool{name: backrefBefore, program: func() (string, error) { return c.before, nil }, args: own})
	}
	tool := func(name string) func() (string, error) { return func() (string, error) { return c.tool(name) } }
	regctl := func(flags ...string) func(from, to string) []string {
		return func(from, to string) []string {
			args := []string{"image", "copy", "--host", "reg=" + c.source.address + ",tls=disabled"}
			for _, target := range []*server{c.withAPI, c.plain} {
				args = append(args, "--host", "reg="+target.address+",tls=disabled")
			}
			return append(append(args, flags...), from, to)
		}
	}
	all = append(all,
		copyTool{name: orasName, program: tool("oras"), args: func(from, to string) []string {
			return []string{"cp", "--recursive", "--from-plain-http", "--to-plain-http", "--no-tty", from, to}
		}},
		copyTool{name: regctlName, program: tool("regctl"), args: regctl("--referrers")})
	if comparison != copyLayers {
		return append(all, copyTool{name: regctlDigestTags, program: tool("regctl"), args: regctl("--referrers", "--digest-tags")})
	}
	return append(all,
		copyTool{name: craneName, program: tool("crane"), args: func(from, to string) []string {
			return []string{"copy", "--insecure", from, to}
		}},
		copyTool{name: skopeoName, program: tool("skopeo"), args: func(from, to string) []string {
			return []string{"--insecure-policy", "copy", "--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false", "docker://" + from, "docker://" + to}
		}})
}

// copyGoals are those of copies, against each tool that takes part.
func copyGoals() []goal {
	var all []goal
	for _, c := range []struct {
		scenario, metric string
		least            float64
		peers            []string
	}{
		{copyAPI, metricArtifacts, 1.5, []string{orasName, regctlName, regctlDigestTags}},
		{copyTag, metricArtifacts, 5, []string{orasName, regctlName, regctlDigestTags}},
		{copyPlatforms, metricArtifacts, 2, []string{orasName, regctlName, regctlDigestTags}},
		{copyAgain, metricArtifacts, 2, []string{orasName, regctlName, regctlDigestTags}},
		{copyLayers, metricMegabyte, 1, []string{orasName, regctlName, craneName, skopeoName}},
	} {
		for _, peer := range c.peers {
			memory := ratioGoal(c.scenario, backrefName, peer, peer, metricMost, 0)
			memory.Text, memory.Most = memory.Text+", memory", 1
			all = append(all, ratioGoal(c.scenario, backrefName, peer, peer, c.metric, c.least), memory)
		}
	}
	return all
}

// peakInterval is how often the peak of a process's memory is read, which only
// grows.
const peakInterval = 5 * time.Millisecond

// timedProcess runs a program to its end: seconds, seconds of the CPU, and the most
// resident memory that it had.
func (s *stage) timedProcess(ctx context.Context, program string, args []string) (sample, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	home, err := s.folder("home")
	if err != nil {
		return nil, err
	}
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "HOME="+home, "DOCKER_CONFIG="+filepath.Join(home, ".docker"), "XDG_RUNTIME_DIR="+home, "REGCTL_CONFIG="+filepath.Join(home, "regctl.json"))
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// What the system counts for a child that has ended includes what its parent
	// had when it started it.
	var peak int64
	for ticker := time.NewTicker(peakInterval); ; {
		select {
		case <-ticker.C:
			if now, err := statusField(cmd.Process.Pid, "VmHWM"); err == nil {
				peak = max(peak, now)
			}
			continue
		case err = <-ended:
			ticker.Stop()
		}
		break
	}
	elapsed := time.Since(begun)
	if err != nil {
		text := output.Bytes()
		return nil, fmt.Errorf("%w: %s", err, text[max(0, len(text)-2000):])
	}
	if peak == 0 {
		return nil, errors.New("it ended before its memory could be read")
	}
	state := cmd.ProcessState
	return sample{
		metricSeconds: elapsed.Seconds(), metricCPU: (state.UserTime() + state.SystemTime()).Seconds(), metricMost: mebibytes(peak),
	}, nil
}
