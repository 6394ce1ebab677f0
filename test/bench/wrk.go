package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// load is what wrk asks a server for, over and over, the paths in turn.
type load struct {
	server      *server
	paths       []string
	headers     []string
	connections int
}

// wrkScript makes wrk ask for the paths after its own arguments, where there
// are several, and print what it measured on one line.
const wrkScript = `
local requests, next = {}, 0
function init(args)
  if #args < 2 then return end
  for i, path in ipairs(args) do requests[i] = wrk.format("GET", path) end
  request = function()
    next = next % #requests + 1
    return requests[next]
  end
end
function done(s, latency)
  local e = s.errors
  io.write(string.format("measured %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f\n",
    s.duration, s.requests, s.bytes, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
`

// The metrics of loads.
const (
	metricRequests = "requests/s"
	metricMegabyte = "MB/s"
	metricP50      = "p50 ms"
	metricP99      = "p99 ms"
)

// wrk runs a load. Any error of a connection or a status of 400 and above
// makes it invalid.
func (s *stage) wrk(ctx context.Context, l load, duration time.Duration) (sample, error) {
	program, err := s.tool("wrk")
	if err != nil {
		return nil, err
	}
	// wrk takes whole seconds.
	seconds := max(1, int(duration.Round(time.Second).Seconds()))
	args := []string{"-t", strconv.Itoa(min(s.threads, l.connections)), "-c", strconv.Itoa(l.connections),
		"-d", fmt.Sprintf("%ds", seconds), "--timeout", "60s", "-s", s.script()}
	for _, header := range l.headers {
		args = append(args, "-H", header)
	}
	args = append(append(args, l.server.url+l.paths[0], "--"), l.paths...)
	output, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("wrk: %w: %s", err, output)
	}
	return parseWrk(string(output))
}

// parseWrk reads what wrkScript printed.
func parseWrk(output string) (sample, error) {
	line := regexp.MustCompile(`(?m)^measured ([\d ]+)$`).FindStringSubmatch(output)
	if line == nil {
		return nil, fmt.Errorf("wrk said nothing that can be read: %s", output)
	}
	var values []float64
	for field := range strings.FieldsSeq(line[1]) {
		value, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	const fields = 10
	if len(values) != fields {
		return nil, fmt.Errorf("wrk said %d numbers, want %d: %s", len(values), fields, line[0])
	}
	for i, what := range []string{"connections failed", "reads failed", "writes failed", "answers have a status of 400 or above", "answers took too long"} {
		if n := values[5+i]; n > 0 {
			return nil, fmt.Errorf("%.0f %s", n, what)
		}
	}
	seconds := values[0] / 1e6
	if seconds == 0 || values[2] == 0 {
		return nil, fmt.Errorf("nothing was answered: %s", line[0])
	}
	return sample{
		metricRequests: values[1] / seconds, metricMegabyte: values[2] / 1e6 / seconds,
		metricP50: values[3] / 1e3, metricP99: values[4] / 1e3,
		metricRequestCount: values[1], metricBytes: values[2],
	}, nil
}
