package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/backref/backref/proxy/admin"
)

// serverChecks look at a server that runs.
func (d *doctor) serverChecks() []check {
	checks := []check{
		{"server.answers", d.checkServer},
		{"server.ready", d.checkReady},
		{"server.version", d.checkVersion},
		{"server.config", d.checkReload},
	}
	if d.named == "" && d.mistakes == nil {
		// Where a server on another machine listens nobody here knows.
		checks = append(checks, check{"server.listen", d.checkFront})
	}
	return checks
}

// checkServer finds the server, and reads its metrics.
func (d *doctor) checkServer(ctx context.Context) []finding {
	base := d.named
	if base == "" {
		base = localAdmin(d.cfg)
	}
	if base == "" {
		d.noServer = errNoListener.Error()
		return one(notCheckedf("admin.listen is empty, so that a server can't be asked").advise("set admin.listen, or name the server by --admin"))
	}
	found := d.findServer(ctx, base)
	if found.Result == resultOK {
		return one(found)
	}
	if d.noServer = "no server answers at " + base; d.server != nil {
		_ = d.server.Close()
		d.server = nil
	}
	return one(found)
}

func (d *doctor) findServer(ctx context.Context, base string) finding {
	var err error
	if d.server, err = newAdminClient(d.cfg, base); err != nil {
		d.server = nil
		return failf("%v", err).advise("mend the file that is named, or give the token's by --admin-token-file")
	}
	is, err := d.server.ask(ctx)
	switch {
	case err != nil && d.named != "":
		return failf("no server answers at %s: %v", base, err).advise("check --admin, and that the server runs: its log says why it ended")
	case err != nil:
		return notCheckedf("no server answers at %s: %v", base, err).
			advise("where one should run, see its log; else name it by --admin, or where it listens by --admin-listen")
	case !is:
		return failf("what answers at %s is no backref", base).advise("name the admin listener of backref by --admin, or set admin.listen")
	}
	body, err := d.server.do(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return warnf("answers at %s, and its metrics can't be read: %v", base, err).advise("see its log")
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	d.metrics, err = parser.TextToMetricFamilies(body)
	if err = errors.Join(err, body.Close()); err != nil {
		d.metrics = nil
		return warnf("answers at %s, and its metrics can't be read: %v", base, err).advise("see its log")
	}
	return okf("answers at %s", base)
}

// checkReady tells which of what it needs the server lacks.
func (d *doctor) checkReady(ctx context.Context) []finding {
	if d.server == nil {
		return one(notCheckedf("%s", d.noServer))
	}
	ready, parts, err := d.server.readiness(ctx)
	if err != nil {
		return one(failf("/readyz: %v", err).advise("see the log of the server"))
	}
	return judgeReady(ready, parts, d.now())
}

// judgeReady has a finding for each part that is missing.
func judgeReady(ready bool, parts []admin.Part, now time.Time) []finding {
	var found []finding
	for _, part := range parts {
		since := ""
		if !part.Since.IsZero() {
			since = ", for " + ageText(part.Since, now)
		}
		switch {
		case part.OK:
		case part.Required:
			found = append(found, failf("not ready: %s: %s%s", part.Name, part.Message, since).advise("see the log of the server, and what is said of the %s here", part.Name))
		default:
			found = append(found, warnf("ready, without %s: %s%s", part.Name, part.Message, since).advise("see the log of the server, and what is said of the %s here", part.Name))
		}
	}
	switch {
	case len(found) > 0:
		return found
	case !ready:
		return one(failf("not ready").advise("see the log of the server"))
	default:
		return one(okf("ready"))
	}
}

// readiness asks /readyz for its parts. A server that gives none, as those before
// do, is ready or not.
func (c *adminClient) readiness(ctx context.Context) (ready bool, parts []admin.Part, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/readyz?verbose", nil)
	if err != nil {
		return false, nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return false, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return false, nil, err
	}
	var said struct{ Parts []admin.Part }
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(text, &said); err != nil {
			return false, nil, fmt.Errorf("read what it says: %w", err)
		}
	}
	return resp.StatusCode == http.StatusOK, said.Parts, nil
}

// checkVersion compares the server with this program.
func (d *doctor) checkVersion(context.Context) []finding {
	if d.server == nil {
		return one(notCheckedf("%s", d.noServer))
	}
	for _, m := range d.metrics[metricBuild].GetMetric() {
		name, commit := build()
		return one(judgeVersion(programName(labelOf(m, "version"), labelOf(m, "revision")), programName(name, commit)))
	}
	return one(notCheckedf("the server does not say its version: it is an earlier one").advise("run backref version where the server runs"))
}

// programName names a program by its version and its revision, where that is
// known.
func programName(version, revision string) string {
	return strings.TrimSpace(version + " " + revision)
}

// judgeVersion compares versions and revisions, but not toolchains and machines.
func judgeVersion(server, here string) finding {
	if server == here {
		return okf("%s, as this program", server)
	}
	return warnf("the server is %s, this program %s", server, here).advise("use the program of the server, or restart the server with this one")
}

// checkReload tells whether a configuration that was changed counts.
func (d *doctor) checkReload(context.Context) []finding {
	if d.server == nil {
		return one(notCheckedf("%s", d.noServer))
	}
	value, known := d.metric("backref_config_last_reload_successful")
	switch {
	case !known:
		return one(notCheckedf("the server does not say"))
	case value == 0:
		return one(failf("the configuration was changed and can't be used: the server runs by the one of before").
			advise("its log says key and reason; mend that, then send SIGHUP"))
	default:
		return one(okf("the server runs by what it read last"))
	}
}

// checkFront asks at the listener for registry clients as one of them would.
func (d *doctor) checkFront(ctx context.Context) []finding {
	listen := d.cfg.Server.Listen
	switch {
	case d.server == nil:
		return one(notCheckedf("%s", d.noServer))
	case d.cfg.Upstream.URL == nil:
		return one(notCheckedf("the configuration is not that of a server, so that server.listen is not known").advise("give it by --config"))
	case strings.HasSuffix(listen, ":0"):
		return one(notCheckedf("server.listen is %s, any port: the log of the server names it", listen))
	}
	scheme := "http://"
	if d.cfg.Server.TLS.CertFile != "" {
		scheme = "https://"
	}
	base := scheme + localAddress(listen)
	if err := checkRegistry(ctx, d.cfg.Server.TLS, base); err != nil {
		return one(failf("%v", err).advise("check server.listen and server.tls, and that the server was restarted since they were changed; see what is said of the upstream here"))
	}
	return one(okf("/v2/ is answered at %s", base))
}

// metric returns the sum of a metric of the server.
func (d *doctor) metric(name string, labels ...string) (sum float64, known bool) {
	for _, m := range d.metrics[name].GetMetric() {
		if !hasLabels(m, labels) {
			continue
		}
		known = true
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
	}
	return sum, known
}

// hasLabels tells whether a metric has labels, given as name, value, ….
func hasLabels(m *dto.Metric, labels []string) bool {
	for i := 0; i+1 < len(labels); i += 2 {
		if labelOf(m, labels[i]) != labels[i+1] {
			return false
		}
	}
	return true
}

func labelOf(m *dto.Metric, name string) string {
	for _, label := range m.GetLabel() {
		if label.GetName() == name {
			return label.GetValue()
		}
	}
	return ""
}
