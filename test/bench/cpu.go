package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The metrics of the processor time of a server, its children included.
const (
	metricCPURequest  = "CPU µs/request"
	metricCPUMebibyte = "CPU µs/MiB"
)

// metricRequestCount and metricBytes are what was done in all, which the costs
// are divided by.
const (
	metricRequestCount = "requests"
	metricBytes        = "bytes"
)

// watchCPU adds to what is measured the processor time that the server and its
// children, such as the workers of nginx, took meanwhile, by request and by MiB
// of the answers where their sizes are known.
func (s *server) watchCPU(measure func() (sample, error)) (sample, error) {
	before, err := treeCPU(s.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	values, err := measure()
	if err != nil {
		return nil, err
	}
	after, err := treeCPU(s.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	spent := float64(after - before)
	if requests := values[metricRequestCount]; requests > 0 {
		values[metricCPURequest] = spent / requests
	}
	if bytes := values[metricBytes]; bytes > 0 {
		values[metricCPUMebibyte] = spent / (bytes / (1 << 20))
	}
	return values, nil
}

// tick is the unit of times in /proc/PID/stat, in microseconds: it is a
// hundredth of a second on all systems that Linux has for programs.
const tick = 10_000

// treeCPU returns the processor time that a process and its children took since
// they were started, in microseconds.
func treeCPU(pid int) (int64, error) {
	processes, err := tree(pid)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, id := range processes {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
		if err != nil {
			return 0, err
		}
		spent, err := parseStat(string(stat))
		if err != nil {
			return 0, err
		}
		total += spent
	}
	return total, nil
}

// parseStat reads the processor time out of /proc/PID/stat, in microseconds:
// fields 14 and 15, counted behind the program's name, which may have spaces.
func parseStat(stat string) (int64, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const first, last = 11, 12
	if len(fields) <= last {
		return 0, fmt.Errorf("a process has no times: %q", stat)
	}
	var total int64
	for _, field := range fields[first : last+1] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		total += ticks * tick
	}
	return total, nil
}
