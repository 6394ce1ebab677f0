package deploy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/backref/backref/test/rig"
)

// helms are the programs that the chart has to work with.
func helms() []string { return []string{"helm3", "helm4"} }

func chart(t testing.TB) string { return filepath.Join(rig.Root(t), "deploy/helm/backref") }

// valuesFiles returns the files of the chart's ci folder by their names.
func valuesFiles(t testing.TB) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(chart(t), "ci/*-values.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no values to render the chart with: %v", err)
	}
	files := map[string]string{}
	for _, path := range paths {
		files[strings.TrimSuffix(filepath.Base(path), "-values.yaml")] = path
	}
	return files
}

// render returns what a Helm makes of the chart, as release "rel" in namespace
// "reg".
func render(t testing.TB, helm string, args ...string) string {
	t.Helper()
	return rig.Run(t, t.TempDir(), helm, append([]string{"template", "rel", chart(t), "--namespace", "reg"}, args...)...)
}

// decode decodes objects strictly, which has to go well, and returns the kind
// and name of each.
func decode(t testing.TB, objects string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), rig.Tool(t, "kubedecode"))
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(objects), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("%v: %s", err, stderr.String())
	}
	return strings.Split(strings.TrimSpace(stdout.String()), "\n")
}

// object is a Kubernetes object, or a part of one.
type object map[string]any

// parse returns the objects of a rendering by kind and name.
func parse(t testing.TB, text string) map[string]object {
	t.Helper()
	objects := map[string]object{}
	for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
		var o object
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if o != nil {
			objects[o.text("kind")+" "+o.text("metadata", "name")] = o
		}
	}
}

// at returns what is at a path; nil where there is nothing. A step into a list
// takes its first entry.
func (o object) at(path ...string) any {
	var here any = o
	for _, step := range path {
		if list, isList := here.([]any); isList && len(list) > 0 {
			here = list[0]
		}
		inside, isObject := here.(object)
		if !isObject {
			return nil
		}
		here = inside[step]
	}
	return here
}

// text is [object.at] for what is a text; "" where it is not.
func (o object) text(path ...string) string {
	text, _ := o.at(path...).(string)
	return text
}

// list is [object.at] for what is a list of objects.
func (o object) list(path ...string) []object {
	entries, _ := o.at(path...).([]any)
	var list []object
	for _, entry := range entries {
		if o, isObject := entry.(object); isObject {
			list = append(list, o)
		}
	}
	return list
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// writeFile writes a file that other users can read too, and returns its path.
func writeFile(t testing.TB, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
