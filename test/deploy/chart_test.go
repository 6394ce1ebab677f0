package deploy

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backref/backref/config"
	"github.com/backref/backref/test/rig"
)

// Every values file is rendered alike by both Helms, without a field that
// Kubernetes doesn't know, nor a pod that the standard "restricted" refuses.
func TestChartRenders(t *testing.T) {
	for name, file := range valuesFiles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			renderings := map[string]string{}
			for _, helm := range helms() {
				rig.Run(t, t.TempDir(), helm, "lint", "--strict", chart(t), "--values", file)
				renderings[helm] = render(t, helm, "--values", file)
			}
			if renderings["helm3"] != renderings["helm4"] {
				t.Error("Helm 3 and Helm 4 render different objects")
			}
			decode(t, renderings["helm4"])
			for kind, o := range parse(t, renderings["helm4"]) {
				if o.text("metadata", "labels", "app.kubernetes.io/name") == "" && o.text("metadata", "name") != "rel-backref-levels" && o.text("metadata", "name") != "rel-text" {
					t.Errorf("%s has no labels", kind)
				}
			}
		})
	}
}

// What is in the folder of values covers every kind of object.
func TestEveryTemplateIsRendered(t *testing.T) {
	templates, err := filepath.Glob(filepath.Join(chart(t), "templates/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range valuesFiles(t) {
		all.WriteString(render(t, "helm4", "--values", file))
	}
	for _, template := range templates {
		name := filepath.Base(template)
		if !strings.Contains(all.String(), "# Source: backref/templates/"+name) && name != "checks.yaml" {
			t.Errorf("no file of ci renders %s", name)
		}
	}
}

// The configuration of the values is the server's own, and stays it: what
// backref reads from the ConfigMap is what it reads from the values.
func TestConfigurationReachesTheServerUnchanged(t *testing.T) {
	for name, file := range valuesFiles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var values struct{ Config object }
			if err := yaml.Unmarshal([]byte(readFile(t, file)), &values); err != nil {
				t.Fatal(err)
			}
			// What the chart sets itself.
			admin, _ := values.Config["admin"].(object)
			if admin == nil {
				admin = object{}
				values.Config["admin"] = admin
			}
			if admin["listen"] == nil {
				admin["listen"] = ":5001"
			}
			given, err := yaml.Marshal(values.Config)
			if err != nil {
				t.Fatal(err)
			}
			container, rendered := server(t, render(t, "helm3", "--values", file))
			want := effective(t, string(given), container)
			if got := effective(t, rendered, container); got != want {
				t.Errorf("the server has\n%s\nwhere the values say\n%s", got, want)
			}
		})
	}
}

// server returns the container of backref in a rendering, and its configuration.
func server(t testing.TB, rendering string) (container object, configuration string) {
	t.Helper()
	for name, o := range parse(t, rendering) {
		if strings.HasPrefix(name, "StatefulSet ") || strings.HasPrefix(name, "Deployment ") {
			for _, c := range o.list("spec", "template", "spec", "containers") {
				if c["name"] == "backref" {
					container = c
				}
			}
		}
		if text := o.text("data", "backref.yaml"); text != "" {
			configuration = text
		}
	}
	if container == nil || configuration == "" {
		t.Fatalf("no server in\n%s", rendering)
	}
	return container, configuration
}

// effective returns what backref makes of a configuration with the variables of
// a container, which has to be understood.
func effective(t testing.TB, configuration string, container object) string {
	t.Helper()
	file := writeFile(t, filepath.Join(t.TempDir(), "backref.yaml"), configuration)
	cmd := exec.CommandContext(t.Context(), rig.Binary(t), "config", "--config", file)
	for _, variable := range container.list("env") {
		if value, given := variable["value"].(string); given {
			cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%s", variable["name"], value))
		}
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("backref doesn't understand its configuration: %v\n%s\n%s", err, stderr.String(), configuration)
	}
	return stdout.String()
}

var update = flag.Bool("update", false, "write the schema of the configuration into that of the values")

// The schema of the values has in it, word for word, what backref config --schema
// prints.
func TestSchemaIsThatOfTheServer(t *testing.T) {
	printed := rig.RunCommandLine(t, t.TempDir(), "config", "--schema")
	path := filepath.Join(chart(t), "values.schema.json")
	var whole struct {
		Definitions map[string]json.RawMessage
	}
	text := readFile(t, path)
	if err := json.Unmarshal([]byte(text), &whole); err != nil {
		t.Fatal(err)
	}
	if *update {
		var indented bytes.Buffer
		if err := json.Indent(&indented, []byte(strings.TrimSpace(printed)), "    ", "  "); err != nil {
			t.Fatal(err)
		}
		text = strings.Replace(text, string(whole.Definitions["config"]), indented.String(), 1)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		whole.Definitions["config"] = indented.Bytes()
	}
	var got, want bytes.Buffer
	if err := json.Compact(&got, whole.Definitions["config"]); err != nil {
		t.Fatal(err)
	}
	if err := json.Compact(&want, []byte(printed)); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Error("values.schema.json has another schema of config than backref config --schema prints: go test ./test/deploy -run Schema -update")
	}
}

// A pod has the time that its end takes at most: the pause, the delay, the drain,
// and the closing of the index.
func TestGracePeriodFitsTheDrain(t *testing.T) {
	const closing = 10 * time.Second
	for drain, want := range map[string]time.Duration{
		"":       5*time.Second + config.Default().Server.DrainTimeout + closing,
		"1m30s":  105 * time.Second,
		"1.5h":   5415 * time.Second,
		"1500ms": 17 * time.Second,
		"0":      15 * time.Second,
	} {
		args := []string{"--set", "config.upstream.url=http://registry:5000"}
		if drain != "" {
			args = append(args, "--set", "config.server.drainTimeout="+drain)
		}
		o := parse(t, render(t, "helm4", args...))["StatefulSet rel-backref"]
		if got := o.at("spec", "template", "spec", "terminationGracePeriodSeconds"); got != int(want.Seconds()) {
			t.Errorf("drainTimeout %q: %v seconds, not %v", drain, got, want.Seconds())
		}
		if got := o.at("spec", "template", "spec", "containers", "lifecycle", "preStop", "sleep", "seconds"); got != 5 {
			t.Errorf("the pause is %v seconds", got)
		}
	}
	delayed := parse(t, render(t, "helm4", "--set", "config.upstream.url=http://registry:5000,config.server.shutdownDelay=20s,preStopSeconds=0"))["StatefulSet rel-backref"]
	if got := delayed.at("spec", "template", "spec", "terminationGracePeriodSeconds"); got != 60 {
		t.Errorf("with a delay: %v seconds", got)
	}
}

// A change of the configuration rolls the pods, and nothing else does.
func TestChecksumRollsThePods(t *testing.T) {
	checksum := func(set string) string {
		o := parse(t, render(t, "helm4", "--set", "config.upstream.url=http://registry:5000", "--set", set))["StatefulSet rel-backref"]
		return o.text("spec", "template", "metadata", "annotations", "checksum/config")
	}
	plain := checksum("service.port=80")
	if plain == "" || plain != checksum("service.port=81") {
		t.Errorf("the checksum %q depends on more than the configuration", plain)
	}
	if plain == checksum("config.log.level=debug") {
		t.Error("a change of the configuration leaves the checksum as it is")
	}
}

// The kinds of workload, and what goes with each.
func TestModes(t *testing.T) {
	files := valuesFiles(t)
	kinds := func(name string) []string {
		var kinds []string
		for key := range parse(t, render(t, "helm4", "--values", files[name])) {
			kind, _, _ := strings.Cut(key, " ")
			kinds = append(kinds, kind)
		}
		return kinds
	}
	for name, want := range map[string]map[string]bool{
		"minimal":    {"StatefulSet": true, "Deployment": false, "HorizontalPodAutoscaler": false, "Job": false, "CronJob": false, "NetworkPolicy": false, "Ingress": false},
		"embedded":   {"StatefulSet": true, "Job": true, "CronJob": true, "NetworkPolicy": true, "ServiceMonitor": true, "PrometheusRule": true},
		"postgres":   {"Deployment": true, "StatefulSet": false, "HorizontalPodAutoscaler": false, "PodDisruptionBudget": true},
		"autoscaled": {"Deployment": true, "HorizontalPodAutoscaler": true, "Ingress": true, "HTTPRoute": true},
		"bare":       {"StatefulSet": true, "PodDisruptionBudget": false, "ServiceAccount": false, "Pod": false},
	} {
		for kind, there := range want {
			if slices.Contains(kinds(name), kind) != there {
				t.Errorf("%s: %s is rendered: %v, not %v", name, kind, !there, there)
			}
		}
	}
	scaled := parse(t, render(t, "helm4", "--values", files["autoscaled"]))["Deployment rel-backref"]
	if scaled.at("spec", "replicas") != nil {
		t.Error("the Deployment says how many replicas there are, against its autoscaler")
	}
	lost := parse(t, render(t, "helm4", "--values", files["lost"]))["StatefulSet rel-backref"]
	if lost.at("spec", "volumeClaimTemplates") != nil || lost.at("spec", "template", "spec", "volumes", "emptyDir") == nil {
		t.Error("persistence.enabled: false claims a volume, or has none")
	}
}

// Where a listener serves HTTPS, all that the chart sends there speaks it.
func TestTLS(t *testing.T) {
	for values, scheme := range map[string]string{"minimal": "http", "embedded": "https"} {
		objects := parse(t, render(t, "helm4", "--values", valuesFiles(t)[values], "--set", "serviceMonitor.enabled=true"))
		container := objects["StatefulSet rel-backref"].list("spec", "template", "spec", "containers")[0]
		for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
			if got := container.text(probe, "httpGet", "scheme"); !strings.EqualFold(got, scheme) && (got != "" || scheme != "http") {
				t.Errorf("%s: the %s speaks %q", values, probe, got)
			}
		}
		if got := objects["ServiceMonitor rel-backref"].text("spec", "endpoints", "scheme"); got != scheme {
			t.Errorf("%s: Prometheus speaks %s", values, got)
		}
		for _, service := range []string{"rel-backref", "rel-backref-admin"} {
			if got := objects["Service "+service].text("spec", "ports", "appProtocol"); got != scheme {
				t.Errorf("%s: Service %s is said to speak %s", values, service, got)
			}
		}
		args := fmt.Sprint(objects["Pod rel-backref-test"].at("spec", "containers", "args"))
		for _, url := range []string{scheme + "://rel-backref.reg.svc:80", scheme + "://rel-backref-admin.reg.svc:5001"} {
			if !strings.Contains(args, url) {
				t.Errorf("%s: helm test doesn't ask %s: %s", values, url, args)
			}
		}
	}
}
