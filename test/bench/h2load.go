package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// streamsEach is how many requests share a connection of HTTP/2, as those of
// one client do.
const streamsEach = 4

// h2load runs a load by HTTP/2, with as many requests at once as the load has
// connections. Its windows are those of Go's client: 4 MiB for a stream, all
// that there is for a connection. An error or a status of 400 and above makes it
// invalid.
func (s *stage) h2load(ctx context.Context, l load, duration time.Duration) (sample, error) {
	program, err := s.tool("h2load")
	if err != nil {
		return nil, err
	}
	clients := max(1, l.connections/streamsEach)
	seconds := max(1, int(duration.Round(time.Second).Seconds()))
	args := []string{"-D", strconv.Itoa(seconds), "-c", strconv.Itoa(clients), "-m", strconv.Itoa(streamsEach),
		"-t", strconv.Itoa(min(s.threads, clients)), "-w", "22", "-W", "30", "--npn-list=h2"}
	for _, header := range l.headers {
		args = append(args, "-H", header)
	}
	output, err := exec.CommandContext(ctx, program, append(args, l.server.url+l.paths[0])...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("h2load: %w: %s", err, output)
	}
	return parseH2load(string(output), float64(seconds))
}

// parseH2load reads what h2load prints after so many seconds.
func parseH2load(output string, seconds float64) (sample, error) {
	requests := regexp.MustCompile(`(?m)^requests: \d+ total, \d+ started, (\d+) done, \d+ succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$`).FindStringSubmatch(output)
	codes := regexp.MustCompile(`(?m)^status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx$`).FindStringSubmatch(output)
	traffic := regexp.MustCompile(`(?m)^traffic: \S+ \((\d+)\) total,`).FindStringSubmatch(output)
	if requests == nil || codes == nil || traffic == nil || !regexp.MustCompile(`(?m)^Application protocol: h2$`).MatchString(output) {
		return nil, fmt.Errorf("h2load said nothing that can be read, or spoke no HTTP/2: %s", output)
	}
	for i, what := range []string{"requests failed", "requests had errors", "answers took too long"} {
		if requests[2+i] != "0" {
			return nil, fmt.Errorf("%s %s", requests[2+i], what)
		}
	}
	for i, what := range []string{"redirects", "answers with a status of 400 or above", "answers with a status of 500 or above"} {
		if codes[1+i] != "0" {
			return nil, fmt.Errorf("%s %s", codes[1+i], what)
		}
	}
	done, err := strconv.ParseFloat(requests[1], 64)
	if err != nil {
		return nil, err
	}
	bytes, err := strconv.ParseFloat(traffic[1], 64)
	if err != nil {
		return nil, err
	}
	if bytes == 0 {
		return nil, fmt.Errorf("nothing was answered: %s", requests[0])
	}
	return sample{
		metricRequests: done / seconds, metricMegabyte: bytes / 1e6 / seconds,
		metricRequestCount: done, metricBytes: bytes,
	}, nil
}
