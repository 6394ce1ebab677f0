package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// Everything that is tried needs one API server, so this is one test.
func TestCluster(t *testing.T) {
	c := start(t)
	t.Logf("API server:\n%s", c.run(t, "", "kubectl", "version"))
	t.Run("renderings", func(t *testing.T) { renderings(t, c) })
	t.Run("mistakes are found", func(t *testing.T) { mistakes(t, c) })
	t.Run("kustomizations", func(t *testing.T) { kustomizations(t, c) })
	for _, helm := range []string{"helm3", "helm4"} {
		t.Run("install and upgrade by "+helm, func(t *testing.T) { lifecycle(t, c, helm) })
	}
	t.Run("a release of Helm 3 upgraded by Helm 4", func(t *testing.T) { handover(t, c) })
}

func chart(t *testing.T) string { return filepath.Join(rig.Root(t), "deploy/helm/backref") }

func values(t *testing.T, name string) string {
	return filepath.Join(chart(t), "ci", name+"-values.yaml")
}

// dryRun has the server judge objects, as if they were applied; its warnings,
// such as those of the Pod Security Standard, are errors.
func dryRun(t *testing.T, c *cluster, objects string) rig.Command {
	t.Helper()
	return c.try(t, objects, "kubectl", "apply", "--dry-run=server", "--warnings-as-errors", "-f", "-")
}

func renderings(t *testing.T, c *cluster) {
	files, err := filepath.Glob(filepath.Join(chart(t), "ci/*-values.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no values: %v", err)
	}
	for _, file := range files {
		for _, helm := range []string{"helm3", "helm4"} {
			objects := c.run(t, "", helm, "template", "rel", chart(t), "--namespace", "reg", "--kube-version", "1.36.3", "--values", file)
			got := dryRun(t, c, objects)
			if got.Err != nil {
				t.Errorf("%s by %s: %v\n%s", filepath.Base(file), helm, got.Err, got.Stderr)
			}
			t.Logf("%s by %s:\n%s", filepath.Base(file), helm, got.Stdout)
		}
	}
}

// mistakes shows that the dry run would find what it is there for.
func mistakes(t *testing.T, c *cluster) {
	for name, wrong := range map[string]struct{ set, says string }{
		"a field that Kubernetes doesn't know": {`extraContainers=[{"name": "x", "image": "x:1", "imagePulPolicy": "Always"}]`, "imagePulPolicy"},
		"a container that isn't restricted":    {`extraContainers=[{"name": "x", "image": "x:1"}]`, "allowPrivilegeEscalation"},
		"a pod that isn't restricted":          {`podSecurityContext={"runAsNonRoot": false, "runAsUser": 0}`, "runAsNonRoot"},
		"an affinity of no meaning":            {`affinity={"nodeAffinity": {"preferred": []}}`, "preferred"},
	} {
		objects := c.run(t, "", "helm4", "template", "rel", chart(t), "--namespace", "reg", "--values", values(t, "minimal"), "--set-json", wrong.set)
		if got := dryRun(t, c, objects); got.Err == nil || !strings.Contains(got.Stderr, wrong.says) {
			t.Errorf("%s: %v: %s", name, got.Err, got.Stderr)
		}
	}
}

func kustomizations(t *testing.T, c *cluster) {
	for _, folder := range []string{"base", "overlays/postgres"} {
		objects := c.run(t, "", "kubectl", "kustomize", filepath.Join(rig.Root(t), "deploy/kustomize", folder))
		if got := dryRun(t, c, objects); got.Err != nil {
			t.Errorf("%s: %v\n%s", folder, got.Err, got.Stderr)
		}
	}
	for _, component := range []string{"sidecar", "sidecar-postgres"} {
		dir := t.TempDir()
		registry := relative(t, dir, "test/deploy/testdata/registry")
		write(t, filepath.Join(dir, "kustomization.yaml"),
			"resources: ["+registry+"]\ncomponents: ["+relative(t, dir, "deploy/kustomize/components/"+component)+"]\n")
		if got := dryRun(t, c, c.run(t, "", "kubectl", "kustomize", dir)); got.Err != nil {
			t.Errorf("%s: %v\n%s", component, got.Err, got.Stderr)
		}
	}
}

// relative returns the path from a folder to one of the checkout.
func relative(t *testing.T, from, to string) string {
	t.Helper()
	path, err := filepath.Rel(from, filepath.Join(rig.Root(t), to))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// lifecycle installs a release, changes its configuration, moves it to
// PostgreSQL, goes back, and takes it away.
func lifecycle(t *testing.T, c *cluster, helm string) {
	release := func(args ...string) string {
		t.Helper()
		return c.run(t, "", helm, append(args, "--namespace", "reg")...)
	}
	get := func(kind, path string) string {
		t.Helper()
		return c.run(t, "", "kubectl", "get", kind, "rel-backref", "--namespace", "reg", "--output", "jsonpath={"+path+"}")
	}
	const checksum = ".spec.template.metadata.annotations.checksum/config"

	if notes := release("install", "rel", chart(t), "--values", values(t, "minimal")); !strings.Contains(notes, "-- backref index rebuild") {
		t.Errorf("the notes don't say what is next:\n%s", notes)
	}
	first := get("statefulset", checksum)
	release("upgrade", "rel", chart(t), "--values", values(t, "minimal"), "--set", "config.log.level=debug", "--set", "service.port=8080")
	if second := get("statefulset", checksum); second == first || first == "" {
		t.Errorf("the checksum stays %q", first)
	}
	if got := get("configmap", `.data.backref\.yaml`); !strings.Contains(got, "level: debug") {
		t.Errorf("the configuration is %s", got)
	}
	if got := get("service", ".spec.ports[*].port"); got != "8080" {
		t.Errorf("the Service has the ports %s", got)
	}
	release("upgrade", "rel", chart(t), "--values", values(t, "autoscaled"))
	if got := get("deployment", ".spec.template.spec.containers[0].name"); got == "" {
		t.Error("there is no Deployment")
	}
	if got := c.try(t, "", "kubectl", "get", "statefulset", "rel-backref", "--namespace", "reg"); got.Err == nil {
		t.Error("the StatefulSet is still there")
	}
	if got := get("horizontalpodautoscaler", ".spec.maxReplicas"); got != "9" {
		t.Errorf("the autoscaler goes up to %s", got)
	}
	release("rollback", "rel", "1")
	if got := get("statefulset", checksum); got != first {
		t.Errorf("after going back the checksum is %q, not %q", got, first)
	}
	release("uninstall", "rel")
	if left := c.run(t, "", "kubectl", "get", "all,configmap,ingress,httproute,pdb,networkpolicy,serviceaccount", "--namespace", "reg", "--output", "name",
		"--selector", "app.kubernetes.io/instance=rel"); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

// handover upgrades a release that Helm 3 has made by Helm 4, and the other way
// round.
func handover(t *testing.T, c *cluster) {
	for i, helm := range []string{"helm3", "helm4", "helm3"} {
		c.run(t, "", helm, "upgrade", "--install", "both", chart(t), "--namespace", "reg", "--values", values(t, "embedded"),
			"--set", "config.log.level="+[]string{"info", "warn", "debug"}[i])
	}
	got := c.run(t, "", "kubectl", "get", "configmap", "both-backref", "--namespace", "reg", "--output", `jsonpath={.data.backref\.yaml}`)
	if !strings.Contains(got, "level: debug") {
		t.Errorf("the configuration is %s", got)
	}
	c.run(t, "", "helm4", "uninstall", "both", "--namespace", "reg")
}

func TestMain(m *testing.M) { os.Exit(m.Run()) }
