package deploy

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/backref/backref/test/rig"
)

// pod is what a rendered chart says of the server's pods, as far as a container
// runtime has to know it.
type pod struct {
	Spec podSpec
	// files are those of each ConfigMap.
	files map[string]map[string]string
}

type podSpec struct {
	SecurityContext struct {
		RunAsUser      *int                  `yaml:"runAsUser"`
		RunAsGroup     *int                  `yaml:"runAsGroup"`
		FSGroup        *int                  `yaml:"fsGroup"`
		SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	Containers []podContainer
	Volumes    []struct {
		Name      string
		ConfigMap *struct{ Name string } `yaml:"configMap"`
	}
}

type podContainer struct {
	Command    []string
	Args       []string
	WorkingDir string `yaml:"workingDir"`
	Env        []struct{ Name, Value string }
	Ports      []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	SecurityContext struct {
		AllowPrivilegeEscalation *bool                        `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool                         `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Add, Drop []string } `yaml:"capabilities"`
	} `yaml:"securityContext"`
	Resources    struct{ Limits struct{ Memory string } }
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
	StartupProbe   *podProbe `yaml:"startupProbe"`
	LivenessProbe  *podProbe `yaml:"livenessProbe"`
	ReadinessProbe *podProbe `yaml:"readinessProbe"`
}

type podProbe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// renderPod renders the chart with some values, for the embedded index.
func renderPod(t *testing.T, values ...string) pod {
	t.Helper()
	args := []string{"template", "test", filepath.Join(rig.Root(t), "deploy", "helm", "backref")}
	for _, value := range values {
		args = append(args, "--set", value)
	}
	rendered := pod{files: map[string]map[string]string{}}
	documents := yaml.NewDecoder(bytes.NewReader([]byte(rig.Run(t, t.TempDir(), "helm4", args...))))
	for {
		var object struct {
			Kind     string
			Metadata struct{ Name string }
			Data     map[string]string
			Spec     struct{ Template struct{ Spec podSpec } }
		}
		err := documents.Decode(&object)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch object.Kind {
		case "StatefulSet":
			rendered.Spec = object.Spec.Template.Spec
		case "ConfigMap":
			rendered.files[object.Metadata.Name] = object.Data
		}
	}
	if len(rendered.Spec.Containers) != 1 {
		t.Fatalf("the pod has %d containers, want one", len(rendered.Spec.Containers))
	}
	return rendered
}

func (p pod) container() podContainer { return p.Spec.Containers[0] }

// user returns who the container runs as and the group of its volumes, all of
// which the pod has to say.
func (p pod) user(t *testing.T) (uid, gid, group int) {
	t.Helper()
	context := p.Spec.SecurityContext
	if context.RunAsUser == nil || context.RunAsGroup == nil || context.FSGroup == nil {
		t.Fatal("the pod says not who it runs as")
	}
	return *context.RunAsUser, *context.RunAsGroup, *context.FSGroup
}

// bundle makes what runc runs: the container of the pod with an image, as
// Kubernetes puts the two together.
func (p pod) bundle(t *testing.T, settings imageSettings, root string) string {
	t.Helper()
	uid, gid, group := p.user(t)
	c := p.container()
	context := c.SecurityContext
	if !slices.Equal(context.Capabilities.Drop, []string{"ALL"}) || len(context.Capabilities.Add) > 0 ||
		p.Spec.SecurityContext.SeccompProfile.Type != "RuntimeDefault" || context.AllowPrivilegeEscalation == nil {
		t.Fatalf("the pod isn't restricted: %+v %+v", p.Spec.SecurityContext, context)
	}
	command, args := settings.Entrypoint, settings.Cmd
	if c.Command != nil {
		command, args = c.Command, nil
	}
	if c.Args != nil {
		args = c.Args
	}
	variables := slices.Clone(settings.Env)
	for _, variable := range c.Env {
		variables = append(variables, variable.Name+"="+variable.Value)
	}
	folder := settings.WorkingDir
	if c.WorkingDir != "" {
		folder = c.WorkingDir
	}
	spec := runtimeSpec{
		Version: "1.0.2",
		Process: runtimeProcess{
			User: runtimeUser{uid, gid, []int{group}}, Args: slices.Concat(command, args), Env: variables, Folder: folder,
			NoNewPrivileges: !*context.AllowPrivilegeEscalation,
			Capabilities:    map[string][]string{"bounding": {}, "effective": {}, "permitted": {}, "ambient": {}},
		},
		Root:   runtimeRoot{root, context.ReadOnlyRootFilesystem},
		Mounts: slices.Concat(systemMounts(), p.mounts(t, group)),
		Linux:  hostLinux(t, c.Resources.Limits.Memory),
	}
	dir := t.TempDir()
	writeJSON(t, filepath.Join(dir, "config.json"), spec)
	return dir
}

// mounts makes the volumes of the pod and returns where they go: the files of a
// ConfigMap, or an empty folder of the group.
func (p pod) mounts(t *testing.T, group int) []runtimeMount {
	t.Helper()
	sources := map[string]string{}
	for _, volume := range p.Spec.Volumes {
		if volume.ConfigMap == nil {
			continue
		}
		dir, files := openDir(t), p.files[volume.ConfigMap.Name]
		if len(files) == 0 {
			t.Fatalf("there is no ConfigMap %s", volume.ConfigMap.Name)
		}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			writeFile(t, filepath.Join(dir, name), files[name])
		}
		sources[volume.Name] = dir
	}
	var mounts []runtimeMount
	for _, mount := range p.container().VolumeMounts {
		options := []string{"bind", "rw"}
		if mount.ReadOnly {
			options = []string{"bind", "ro"}
		}
		source := sources[mount.Name]
		if source == "" {
			source = openDir(t)
			if err := errors.Join(os.Chown(source, 0, group), os.Chmod(source, 0o770|os.ModeSetgid)); err != nil {
				t.Fatal(err)
			}
		}
		mounts = append(mounts, runtimeMount{mount.MountPath, "bind", source, options})
	}
	return mounts
}

// openDir returns a folder that other users can get to.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "backref-volume")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// megabytes reads an amount of memory such as 512Mi.
func megabytes(text string) (int64, bool) {
	digits, found := strings.CutSuffix(text, "Mi")
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n << 20, found && n > 0
}
