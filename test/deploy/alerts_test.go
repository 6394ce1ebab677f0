package deploy

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/backref/backref/test/rig"
)

func TestAlertRules(t *testing.T) {
	alerts := filepath.Join(chart(t), "files/alerts.yaml")
	rig.Run(t, t.TempDir(), "promtool", "check", "rules", alerts)
	tests := filepath.Join(rig.Root(t), "test/deploy/testdata/alerts.yaml")
	rig.Run(t, t.TempDir(), "promtool", "test", "rules", tests)
	for _, alert := range rules(t) {
		if !strings.Contains(readFile(t, tests), "alertname: "+alert.Alert+"\n        exp_alerts:") {
			t.Errorf("no test fires %s", alert.Alert)
		}
	}
}

// A release's rules are those of the file, but for what its values say.
func TestPrometheusRule(t *testing.T) {
	o := parse(t, render(t, "helm4", "--values", valuesFiles(t)["autoscaled"]))["PrometheusRule rel-backref"]
	groups := o.list("spec", "groups")
	if len(groups) != 2 || groups[1]["name"] != "ours" {
		t.Fatalf("groups: %v", groups)
	}
	rendered, want := groups[0].list("rules"), rules(t)
	if len(rendered) != len(want)-1 {
		t.Errorf("%d rules, not all of %d but one", len(rendered), len(want))
	}
	for _, rule := range rendered {
		if rule["alert"] == "BackrefDown" {
			t.Error("a disabled alert is there")
		}
		if rule.text("labels", "team") != "registry" || rule.text("labels", "severity") == "" {
			t.Errorf("%s: labels %v", rule["alert"], rule["labels"])
		}
	}
}

type rule struct{ Alert, Expr string }

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []rule }
	}
	if err := yaml.Unmarshal([]byte(readFile(t, filepath.Join(chart(t), "files/alerts.yaml"))), &file); err != nil {
		t.Fatal(err)
	}
	return file.Groups[0].Rules
}

// What alerts and dashboard ask for is what a running backref has: each metric,
// with each label that they select by and, where backref shows all values before
// they count, each value.
func TestMetricsAreThere(t *testing.T) {
	exposed := map[string][]string{}
	for _, text := range metricTexts(t) {
		for _, line := range strings.Split(text, "\n") {
			if name := regexp.MustCompile(`^[a-z_]+`).FindString(line); name != "" {
				exposed[name] = append(exposed[name], line)
			}
		}
	}
	for _, rule := range rules(t) {
		checkQuery(t, exposed, rule.Alert, rule.Expr)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(chart(t), "files/dashboard.json"))), &dashboard); err != nil {
		t.Fatal(err)
	}
	queries := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries++
			checkQuery(t, exposed, panel.Title, target.Expr)
		}
	}
	if queries < 20 {
		t.Errorf("the dashboard has %d queries", queries)
	}
	for name := range exposed {
		if strings.HasPrefix(name, "backref_") && !strings.Contains(readFile(t, filepath.Join(chart(t), "files/dashboard.json")), strings.TrimSuffix(name, "_bucket")) &&
			!strings.HasSuffix(name, "_sum") && !strings.HasSuffix(name, "_count") {
			t.Errorf("the dashboard doesn't show %s", name)
		}
	}
}

// checkQuery makes sure that something matches each selector of a query.
func checkQuery(t *testing.T, exposed map[string][]string, where, query string) {
	t.Helper()
	selectors := regexp.MustCompile(`\b((?:backref|process|go)_[a-z_]+)(?:\{([^}]*)\})?`).FindAllStringSubmatch(query, -1)
	if len(selectors) == 0 {
		t.Errorf("%s asks for no metric of ours: %s", where, query)
	}
	for _, selector := range selectors {
		series, found := exposed[selector[1]]
		if !found {
			t.Errorf("%s: there is no metric %s", where, selector[1])
			continue
		}
		for _, matcher := range regexp.MustCompile(`([a-z]+)(=~?)"([^"]*)"`).FindAllStringSubmatch(selector[2], -1) {
			label, pattern := matcher[1], matcher[3]
			switch {
			case label == "namespace" || label == "job":
				// Prometheus adds these.
				continue
			case label == "status":
				// A status is shown once it was given.
				pattern = ".*"
			case matcher[2] == "=":
				pattern = regexp.QuoteMeta(pattern)
			}
			want := regexp.MustCompile(`[{,]` + label + `="(?:` + pattern + `)"[,}]`)
			if !want.MatchString(strings.Join(series, "\n")) {
				t.Errorf("%s: no %s has %s", where, selector[1], matcher[0])
			}
		}
	}
}
