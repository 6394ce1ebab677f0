package deploy

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// The rendered Jobs, and the pod of helm test, do what they are for with the
// server that runs, whichever index it has, and only with its token.
func TestJobsReachTheServer(t *testing.T) {
	for _, index := range []string{"embedded", "postgres"} {
		t.Run(index, func(t *testing.T) {
			registry := rig.NewRegistry(t, rig.Distribution2)
			image := rig.Image("image")
			rig.PushBlob(t, registry.URL, "app", rig.Empty)
			rig.Push(t, registry.URL, "app", "v1", image)
			rig.Push(t, registry.URL, "app", "v1-sbom", rig.Artifact("application/spdx+json", "sbom", image.Descriptor()))
			token := writeFile(t, filepath.Join(t.TempDir(), "token"), "secret")
			var backref *rig.Backref
			values := []string{
				"--set", "config.upstream.url=" + registry.URL, "--set", "secrets.adminToken.existingSecret=backref-admin",
				"--set", "rebuild.enabled=true", "--set", "verify.enabled=true",
			}
			if index == "postgres" {
				backref = rig.NewReplica(t, registry.URL, rig.NewPostgres(t, false), "--set", "admin.tokenFile="+token)
				values = append(values, "--set", "config.index.postgres.url=postgres://nobody@127.0.0.1:1/none")
			} else {
				backref = rig.NewBackref(t, registry.URL, "--set", "admin.tokenFile="+token)
			}
			rendering := render(t, "helm4", values...)
			objects := parse(t, rendering)
			run := func(container object, token string) rig.Command {
				return runJob(t, container, backref, token)
			}
			verify := objects["CronJob rel-backref-verify"].list("spec", "jobTemplate", "spec", "template", "spec", "containers")[0]
			rebuild := objects["Job rel-backref-rebuild-1"].list("spec", "template", "spec", "containers")[0]

			if got := run(verify, token); got.Err == nil || !strings.Contains(got.Stderr, "index and registry differ") {
				t.Errorf("the verification finds no difference in an empty index: %v\n%s%s", got.Err, got.Stdout, got.Stderr)
			}
			for _, wrong := range []string{"", writeFile(t, filepath.Join(t.TempDir(), "wrong"), "guessed")} {
				if got := run(rebuild, wrong); got.Err == nil || !strings.Contains(got.Stderr, "401 Unauthorized") {
					t.Errorf("with token %q: %v\n%s", wrong, got.Err, got.Stderr)
				}
			}
			if got := run(rebuild, token); got.Err != nil {
				t.Fatalf("the rebuild fails: %v\n%s%s", got.Err, got.Stdout, got.Stderr)
			}
			if listed := rig.Listing(t, backref.URL, "app", image.Digest()); len(listed) != 1 {
				t.Errorf("after the rebuild %d referrers are listed, not 1", len(listed))
			}
			if got := run(verify, token); got.Err != nil {
				t.Errorf("the verification fails: %v\n%s%s", got.Err, got.Stdout, got.Stderr)
			}
			health := objects["Pod rel-backref-test"].list("spec", "containers")[0]
			if got := run(health, ""); got.Err != nil || got.Stdout != "ready\n" {
				t.Errorf("helm test: %v\n%s%s", got.Err, got.Stdout, got.Stderr)
			}
		})
	}
}

// runJob runs what a container of a Job is told to, with the addresses of a
// server that runs in place of its Services, and a file in place of the mounted
// Secret; without a token where that is empty.
func runJob(t *testing.T, container object, backref *rig.Backref, token string) rig.Command {
	t.Helper()
	if container["env"] != nil {
		t.Errorf("the container has variables: %v", container["env"])
	}
	list, _ := container["args"].([]any)
	var args []string
	for _, arg := range list {
		text := fmt.Sprint(arg)
		for was, is := range map[string]string{
			"/run/secrets/backref/admin-token/token":   token,
			"http://rel-backref-admin.reg.svc:5001":    backref.AdminURL,
			"--registry=http://rel-backref.reg.svc:80": "--registry=" + backref.URL,
		} {
			text = strings.ReplaceAll(text, was, is)
		}
		if strings.Contains(text, "rel-backref") || strings.Contains(text, "/run/") {
			t.Errorf("an address or a file is left in %q", text)
		}
		args = append(args, text)
	}
	return rig.TryCommandLine(t, t.TempDir(), args...)
}

// Jobs get the token and certificates, and none of the server's other secrets.
func TestJobsHaveTheTokenOnly(t *testing.T) {
	objects := parse(t, render(t, "helm4", "--values", valuesFiles(t)["embedded"]))
	for name, pod := range map[string]object{
		"rebuild": objects["Job rel-backref-rebuild-1"].at("spec", "template", "spec").(object),
		"verify":  objects["CronJob rel-backref-verify"].at("spec", "jobTemplate", "spec", "template", "spec").(object),
		"test":    objects["Pod rel-backref-test"].at("spec").(object),
	} {
		for _, volume := range pod.list("volumes") {
			secret, _ := volume["secret"].(object)
			files := fmt.Sprint(secret["items"])
			token := secret["secretName"] == "backref-admin" && strings.Contains(files, "key:token") && name != "test"
			certificate := strings.Contains(files, "key:tls.crt") && !strings.Contains(files, "key:tls.key")
			if !token && !certificate {
				t.Errorf("%s gets %v", name, volume)
			}
		}
	}
}

// No pod of a Job is one that a Service sends requests to.
func TestServicesSelectServersOnly(t *testing.T) {
	objects := parse(t, render(t, "helm4", "--values", valuesFiles(t)["embedded"]))
	selector := objects["Service rel-backref"].at("spec", "selector").(object)
	selects := func(labels any) bool {
		for key, value := range selector {
			if labels.(object)[key] != value {
				return false
			}
		}
		return true
	}
	if !selects(objects["StatefulSet rel-backref"].at("spec", "template", "metadata", "labels")) {
		t.Error("the Service doesn't select the server")
	}
	for name, labels := range map[string]any{
		"rebuild": objects["Job rel-backref-rebuild-1"].at("spec", "template", "metadata", "labels"),
		"verify":  objects["CronJob rel-backref-verify"].at("spec", "jobTemplate", "spec", "template", "metadata", "labels"),
		"test":    objects["Pod rel-backref-test"].at("metadata", "labels"),
	} {
		if selects(labels) {
			t.Errorf("the Service selects the pod of %s", name)
		}
	}
}

// NOTES say the next command for the mode chosen, and how the registry tells
// backref what happens there. Helm 3 prints them to a cluster's clients alone.
func TestNotes(t *testing.T) {
	for name, said := range map[string]struct{ values, texts []string }{
		"embedded": {
			[]string{"--values", valuesFiles(t)["minimal"], "--set", "secrets.adminToken.existingSecret=backref-admin"},
			[]string{
				"exec statefulset/rel-backref --container backref -- backref index rebuild --config /etc/backref/backref.yaml",
				"index export", "config.upstream.service is not set", "Secret backref-admin",
				"url: http://rel-backref-admin.reg.svc:5001/events", "headers: {Authorization: [Bearer <token>]}",
			},
		},
		"PostgreSQL": {
			[]string{"--values", valuesFiles(t)["postgres"]},
			[]string{
				"exec deployment/rel-backref --container backref -- backref index rebuild", "schema referrers", "3 replicas",
				"create secret generic rel-backref-admin-token",
			},
		},
	} {
		output := rig.Run(t, t.TempDir(), "helm4", append([]string{"install", "rel", chart(t), "--dry-run=client", "--namespace", "reg"}, said.values...)...)
		_, notes, found := strings.Cut(output, "\nNOTES:\n")
		if !found {
			t.Fatalf("no notes in\n%s", output)
		}
		for _, text := range said.texts {
			if !strings.Contains(notes, text) {
				t.Errorf("%s: the notes lack %q:\n%s", name, text, notes)
			}
		}
	}
}
