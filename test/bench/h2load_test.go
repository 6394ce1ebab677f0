package main

import (
	"strings"
	"testing"
)

const h2loadOutput = `Application protocol: h2

finished in 2.01s, 600.00 req/s, 4.00MB/s
requests: 1200 total, 1216 started, 1200 done, 1200 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 1200 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 7.63MB (8000000) total, 9.00KB (9216) headers (space savings 95.00%), 7.60MB (7969177) data
`

func TestH2loadIsRead(t *testing.T) {
	got, err := parseH2load(h2loadOutput, 2)
	if err != nil {
		t.Fatal(err)
	}
	for metric, want := range map[string]float64{metricRequests: 600, metricMegabyte: 4, metricRequestCount: 1200, metricBytes: 8e6} {
		if got[metric] != want {
			t.Errorf("%s: %g, want %g", metric, got[metric], want)
		}
	}
}

func TestH2loadWithErrorsIsInvalid(t *testing.T) {
	for name, change := range map[string][2]string{
		"a failure":     {"0 failed", "1 failed"},
		"a status":      {"0 5xx", "2 5xx"},
		"no traffic":    {"(8000000)", "(0)"},
		"no HTTP/2":     {"protocol: h2", "protocol: http/1.1"},
		"an other text": {"requests: ", "asked: "},
	} {
		if values, err := parseH2load(strings.Replace(h2loadOutput, change[0], change[1], 1), 2); err == nil {
			t.Errorf("%s: %v, want an error", name, values)
		}
	}
}
