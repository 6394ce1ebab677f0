package reconcile

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/backref/backref/upstream"
)

// Each change of what is found is one line, with what mends it, and the metrics
// follow every look.
func TestLookout(t *testing.T) {
	var status atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
	}))
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	behind, err := upstream.New(upstream.Options{URL: base})
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	core, logs := observer.New(zap.InfoLevel)
	metrics := prometheus.NewRegistry()
	lookout := NewLookout(behind, time.Minute, zap.New(core), metrics)
	told := 0
	lookout.TellUsable(func() { told++ })
	if seen := lookout.Seen(); !seen.Since.IsZero() || valueOf(t, metrics, "backref_upstream_up", "") != 0 {
		t.Errorf("before the first look: %+v", seen)
	}
	for _, c := range []struct {
		status  int
		reason  upstream.Reason
		message string
	}{
		{http.StatusNotFound, upstream.ReasonNoAPI, "the upstream registry can't be used"},
		{http.StatusNotFound, upstream.ReasonNoAPI, ""},
		{http.StatusBadGateway, upstream.ReasonFails, "the upstream registry can't be used"},
		{http.StatusOK, "", "the upstream registry can be used again"},
		{http.StatusOK, "", ""},
	} {
		status.Store(int64(c.status))
		before := lookout.Seen().Since
		_ = lookout.look(t.Context())
		seen := lookout.Seen()
		if (seen.Fault == nil) != (c.reason == "") || seen.Fault != nil && seen.Fault.Reason != c.reason {
			t.Errorf("%d: %+v", c.status, seen)
		}
		if up := valueOf(t, metrics, "backref_upstream_up", ""); (up == 1) != (c.reason == "") {
			t.Errorf("%d: up is %v", c.status, up)
		}
		lines := logs.TakeAll()
		switch {
		case c.message == "" && (len(lines) != 0 || seen.Since != before):
			t.Errorf("%d again: %v, since %s and not %s", c.status, lines, seen.Since, before)
		case c.message == "":
		case len(lines) != 1 || lines[0].Message != c.message || lines[0].ContextMap()["reason"] == "":
			t.Errorf("%d: %v", c.status, lines)
		}
	}
	if told != 1 {
		t.Errorf("told %d times that it can be used again", told)
	}
	if counted := valueOf(t, metrics, "backref_upstream_checks_total", string(upstream.ReasonNoAPI)); counted != 2 {
		t.Errorf("%v looks found no API", counted)
	}
}

// valueOf returns the value of a metric, by its label if it has one.
func valueOf(t *testing.T, metrics *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() != name || label != "" && metric.GetLabel()[0].GetValue() != label {
				continue
			}
			return metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
		}
	}
	t.Fatalf("no %s of %q", name, label)
	return 0
}
