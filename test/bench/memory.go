package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The metrics of memory.
const (
	metricIdle   = "idle MiB"
	metricMost   = "most MiB"
	metricGrowth = "growth MiB"
)

// memoryInterval is how often memory is looked at.
const memoryInterval = 20 * time.Millisecond

// watchMemory adds to what is measured the most resident memory that a process
// and its children, such as the workers of nginx, had meanwhile, and how much
// more that is than what it had when it was idle.
func watchMemory(ctx context.Context, pid int, idle int64, measure func() (sample, error)) (sample, error) {
	most, watched := int64(0), error(nil)
	ctx, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() {
		for ticker := time.NewTicker(memoryInterval); watched == nil; {
			select {
			case <-ctx.Done():
				ticker.Stop()
				return
			case <-ticker.C:
				var now int64
				now, watched = treeMemory(pid)
				most = max(most, now)
			}
		}
	})
	values, err := measure()
	stop()
	group.Wait()
	if err := errors.Join(err, watched); err != nil {
		return nil, err
	}
	values[metricIdle], values[metricMost], values[metricGrowth] = mebibytes(idle), mebibytes(most), mebibytes(most-idle)
	return values, nil
}

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// treeMemory returns the resident memory of a process and its children.
func treeMemory(pid int) (int64, error) {
	processes, err := tree(pid)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, id := range processes {
		resident, err := statusField(id, "VmRSS")
		if err != nil {
			return 0, err
		}
		total += resident
	}
	return total, nil
}

// tree returns a process and all its children.
func tree(pid int) ([]int, error) {
	all := []int{pid}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		children, err := os.ReadFile(list)
		if errors.Is(err, os.ErrNotExist) {
			// The thread has ended.
			continue
		}
		if err != nil {
			return nil, err
		}
		for child := range strings.FieldsSeq(string(children)) {
			id, err := strconv.Atoi(child)
			if err != nil {
				return nil, err
			}
			below, err := tree(id)
			if err != nil {
				return nil, err
			}
			all = append(all, below...)
		}
	}
	return all, nil
}

// statusField returns a field of /proc/PID/status that is given in kB, in
// bytes.
func statusField(pid int, field string) (int64, error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	status, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if name, value, _ := strings.Cut(line, ":"); name == field {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, field)
}
