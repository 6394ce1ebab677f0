package deploy

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// build returns what kubectl makes of a kustomization.
func build(t testing.TB, folder string) string {
	t.Helper()
	return rig.Run(t, t.TempDir(), "kubectl", "kustomize", folder)
}

// over writes a kustomization whose resources or components are a folder of the
// checkout, with more lines, and returns its folder.
func over(t testing.TB, lines string, folders ...string) string {
	t.Helper()
	dir := t.TempDir()
	var relative []any
	for _, folder := range folders {
		path, err := filepath.Rel(dir, filepath.Join(rig.Root(t), folder))
		if err != nil {
			t.Fatal(err)
		}
		relative = append(relative, path)
	}
	writeFile(t, filepath.Join(dir, "kustomization.yaml"), fmt.Sprintf(lines, relative...))
	return dir
}

// The kustomizations have the pods of the chart.
func TestKustomizationsAreLikeTheChart(t *testing.T) {
	for folder, values := range map[string][]string{
		"deploy/kustomize/base": {"--set", "config.upstream.url=http://registry:5000"},
		"deploy/kustomize/overlays/postgres": {
			"--set", "config.upstream.url=http://registry:5000", "--set", "replicas=2",
			"--set", "config.index.postgres.url=postgres://backref@postgres/backref",
			"--set", "secrets.databasePassword.existingSecret=backref-database",
		},
	} {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			built := build(t, filepath.Join(rig.Root(t), folder))
			decode(t, built)
			charted := rig.Run(t, t.TempDir(), "helm4", append([]string{"template", "backref", chart(t)}, values...)...)
			got, want := workload(t, built), workload(t, charted)
			if !reflect.DeepEqual(simplified(got), simplified(want)) {
				t.Errorf("the pods differ:\n%v\nthe chart's\n%v", simplified(got), simplified(want))
			}
			for _, part := range []string{"replicas", "strategy", "updateStrategy", "podManagementPolicy", "serviceName"} {
				if g, w := got.at("spec", part), want.at("spec", part); !reflect.DeepEqual(g, w) {
					t.Errorf("%s: %v, the chart has %v", part, g, w)
				}
			}
			container, configuration := server(t, built)
			_, chartConfiguration := server(t, charted)
			if g, w := effective(t, configuration, container), effective(t, chartConfiguration, container); g != w {
				t.Errorf("the configuration is\n%s\nthe chart's\n%s", g, w)
			}
		})
	}
}

// workload returns the StatefulSet or Deployment named backref.
func workload(t *testing.T, text string) object {
	t.Helper()
	objects := parse(t, text)
	for _, kind := range []string{"StatefulSet", "Deployment"} {
		if o := objects[kind+" backref"]; o != nil {
			return o
		}
	}
	t.Fatalf("no workload in\n%s", text)
	return nil
}

// simplified returns the description of a workload's pods without what is a name
// in one of its two forms: that of the ConfigMap, and labels to spread by. Lists
// that have no order are sorted.
func simplified(workload object) object {
	spec, _ := workload.at("spec", "template", "spec").(object)
	for _, volume := range spec.list("volumes") {
		if source, isConfig := volume["configMap"].(object); isConfig {
			source["name"] = "backref"
		}
	}
	for _, spread := range spec.list("topologySpreadConstraints") {
		delete(spread, "labelSelector")
	}
	byName := func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	for _, list := range []any{spec.at("volumes"), spec.at("containers", "volumeMounts")} {
		if entries, isList := list.([]any); isList {
			slices.SortFunc(entries, byName)
		}
	}
	return spec
}

// A configuration of one's own rolls the pods.
func TestKustomizationTakesAConfiguration(t *testing.T) {
	dir := over(t, "resources: [%s]\nnamespace: \"own\"\nconfigMapGenerator:\n  - {name: backref, behavior: merge, files: [backref.yaml]}\n", "deploy/kustomize/base")
	writeFile(t, filepath.Join(dir, "backref.yaml"), "upstream: {url: https://registry.example.com}\nadmin: {listen: \":5001\"}\n")
	built := build(t, dir)
	decode(t, built)
	_, configuration := server(t, built)
	if !strings.Contains(configuration, "registry.example.com") {
		t.Errorf("the configuration is %s", configuration)
	}
	volume := func(text string) string {
		return workload(t, text).text("spec", "template", "spec", "volumes", "configMap", "name")
	}
	if before := volume(build(t, filepath.Join(rig.Root(t), "deploy/kustomize/base"))); volume(built) == before || !strings.HasPrefix(before, "backref-") {
		t.Errorf("the name of the ConfigMap stays %s", before)
	}
}

// The components put backref into a registry's pods and before its Service, and
// change nothing else: not the registry's container, nor what stands beside.
func TestSidecarChangesNothingElse(t *testing.T) {
	before := parse(t, build(t, filepath.Join(rig.Root(t), "test/deploy/testdata/registry")))
	for component, volumes := range map[string][]string{
		"sidecar":          {"backref-config", "backref-index"},
		"sidecar-postgres": {"backref-config", "backref-database"},
	} {
		t.Run(component, func(t *testing.T) {
			built := build(t, over(t, "resources: [%s]\ncomponents: [%s]\n", "test/deploy/testdata/registry", "deploy/kustomize/components/"+component))
			decode(t, built)
			after := parse(t, built)
			container, configuration := server(t, built)
			if list := after["Deployment registry"].list("spec", "template", "spec", "containers"); len(list) != 2 || list[0]["name"] != "registry" {
				t.Errorf("the containers are %v", list)
			}
			checkSidecar(t, container, effective(t, configuration, container))
			if got := after["Service registry"].text("spec", "ports", "targetPort"); got != "backref" {
				t.Errorf("the Service leads to %q", got)
			}

			for name, o := range after {
				if before[name] == nil {
					// What came along is named after backref.
					if !strings.Contains(name, " backref-") {
						t.Errorf("%s came along", name)
					}
					continue
				}
				withoutSidecar(t, o, volumes)
				if !reflect.DeepEqual(o, before[name]) {
					t.Errorf("%s was changed to\n%v\nfrom\n%v", name, o, before[name])
				}
			}
			for name := range before {
				if after[name] == nil {
					t.Errorf("%s is gone", name)
				}
			}
		})
	}
}

// checkSidecar makes sure that the ports of a container are those that backref
// listens on, and that its end fits into the time that a pod has by default.
func checkSidecar(t *testing.T, container object, effective string) {
	t.Helper()
	for port, setting := range map[string]string{"backref": "listen: :5080", "backref-admin": "listen: :5081"} {
		_, number, _ := strings.Cut(setting, ": :")
		if !slices.ContainsFunc(container.list("ports"), func(o object) bool {
			return o["name"] == port && fmt.Sprint(o["containerPort"]) == number
		}) || !strings.Contains(effective, setting) {
			t.Errorf("port %s isn't that of %q", port, setting)
		}
	}
	if pause := container.at("lifecycle", "preStop", "sleep", "seconds"); pause != 5 || !strings.Contains(effective, "drainTimeout: 15s") {
		t.Errorf("a pause of %v s and the drain don't fit into 30 s", pause)
	}
}

// withoutSidecar takes away what a component may add.
func withoutSidecar(t *testing.T, o object, volumes []string) {
	t.Helper()
	switch o["kind"] {
	case "Deployment":
		pod, _ := o.at("spec", "template", "spec").(object)
		containers, _ := pod["containers"].([]any)
		pod["containers"] = slices.DeleteFunc(containers, func(c any) bool { return c.(object)["name"] == "backref" })
		if all, isList := pod["volumes"].([]any); isList {
			pod["volumes"] = slices.DeleteFunc(all, func(v any) bool {
				name, _ := v.(object)["name"].(string)
				return slices.Contains(volumes, name)
			})
		}
	case "Service":
		if ports := o.list("spec", "ports"); ports[0]["targetPort"] == "backref" {
			ports[0]["targetPort"] = "registry"
		}
	}
}
