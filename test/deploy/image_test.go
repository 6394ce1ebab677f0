package deploy

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/backref/backref/test/rig"
)

// image is what buildah made by the Dockerfile.
type image struct {
	name string
	// storage is where buildah keeps it.
	storage string
}

// imageSettings are what an image says of itself, as the OCI specification
// names it.
type imageSettings struct {
	User         string
	Env          []string
	Entrypoint   []string
	Cmd          []string
	WorkingDir   string
	Volumes      map[string]struct{}
	ExposedPorts map[string]struct{}
	Labels       map[string]string
}

// The image is built by the whole Dockerfile, with a toolchain that is made
// here, says what it is, holds nothing but backref, and serves.
func TestImage(t *testing.T) {
	needRoot(t)
	built := buildImage(t)
	settings, root := built.settings(t), built.mount(t)
	t.Run("says what it is", func(t *testing.T) { wantImageSettings(t, settings) })
	t.Run("holds only what is needed", func(t *testing.T) { wantImageContent(t, root) })
	t.Run("serves as the pod", func(t *testing.T) { servesAsThePod(t, settings, root) })
}

// buildImage runs the documented command.
func buildImage(t *testing.T) image {
	t.Helper()
	dir := t.TempDir()
	built := image{name: "localhost/backref:test", storage: filepath.Join(dir, "storage.conf")}
	// Works in any file system, also within a container.
	writeFile(t, built.storage, fmt.Sprintf("[storage]\ndriver = \"vfs\"\nrunroot = %q\ngraphroot = %q\n",
		filepath.Join(dir, "run"), filepath.Join(dir, "images")))
	build := exec.CommandContext(t.Context(), filepath.Join(rig.Root(t), "deploy", "image", "build"), "--local-base", built.name)
	build.Env = append(os.Environ(), "CONTAINERS_STORAGE_CONF="+built.storage,
		"VERSION=v1.2.3", "REVISION=0123abc", "CREATED=2026-01-02T03:04:05Z")
	output(t, build)
	return built
}

func (i image) buildah(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(rig.Tool(t, "buildah"), args...)
	cmd.Env = append(os.Environ(), "CONTAINERS_STORAGE_CONF="+i.storage)
	return strings.TrimSpace(output(t, cmd))
}

func (i image) settings(t *testing.T) imageSettings {
	t.Helper()
	var inspected struct {
		OCIv1 struct{ Config imageSettings }
	}
	if err := json.Unmarshal([]byte(i.buildah(t, "inspect", "--type", "image", i.name)), &inspected); err != nil {
		t.Fatal(err)
	}
	return inspected.OCIv1.Config
}

// mount returns a folder with the files of the image.
func (i image) mount(t *testing.T) string {
	t.Helper()
	container := i.buildah(t, "from", "--pull-never", i.name)
	t.Cleanup(func() { i.buildah(t, "rm", container) })
	return i.buildah(t, "mount", container)
}

func wantImageSettings(t *testing.T, settings imageSettings) {
	for name, want := range map[string]string{
		"title": "backref", "licenses": "Apache-2.0", "version": "v1.2.3", "revision": "0123abc", "created": "2026-01-02T03:04:05Z",
		"source": "https://github.com/backref/backref", "url": "https://github.com/backref/backref",
		"documentation": "https://github.com/backref/backref/blob/main/docs/deploy-hosts.md",
		"description":   "OCI referrers for container registries that lack them", "vendor": "The backref authors",
	} {
		if got := settings.Labels["org.opencontainers.image."+name]; got != want {
			t.Errorf("label %s is %q, want %q", name, got, want)
		}
	}
	if settings.User != "65532:65532" || settings.WorkingDir != "/data" {
		t.Errorf("runs as %q in %q", settings.User, settings.WorkingDir)
	}
	if !slices.Equal(settings.Entrypoint, []string{"/usr/local/bin/backref"}) || !slices.Equal(settings.Cmd, []string{"serve"}) {
		t.Errorf("runs %q %q", settings.Entrypoint, settings.Cmd)
	}
	if _, there := settings.Volumes["/data"]; !there || len(settings.Volumes) != 1 {
		t.Errorf("volumes %v", settings.Volumes)
	}
}

func wantImageContent(t *testing.T, root string) {
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, root)
		if name == "/data" {
			if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 65532 || owner.Gid != 65532 {
				t.Errorf("/data is of %d:%d", owner.Uid, owner.Gid)
			}
		}
		if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 || info.Mode().Perm()&0o022 != 0 {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
		if !entry.IsDir() {
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/etc/ssl/certs/ca-certificates.crt", "/licenses/LICENSE", "/usr/local/bin/backref"}; !slices.Equal(files, want) {
		t.Errorf("holds %v, want %v", files, want)
	}
	binary := filepath.Join(root, "usr/local/bin/backref")
	program, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = program.Close() }()
	for _, header := range program.Progs {
		if header.Type == elf.PT_INTERP || header.Type == elf.PT_DYNAMIC {
			t.Errorf("the program isn't static: it has %s", header.Type)
		}
	}
	if version := output(t, exec.Command(binary, "version")); !strings.HasPrefix(version, "backref v1.2.3 ") {
		t.Errorf("is version %s", version)
	}
}

// The Dockerfile names its toolchain by version and digest, and the version is
// one that go.mod allows.
func TestImageToolchainIsPinned(t *testing.T) {
	pinned := regexp.MustCompile(`(?m)^ARG GO_IMAGE=docker\.io/library/golang:(\d+\.\d+\.\d+)-\w+@sha256:[0-9a-f]{64}$`)
	found := pinned.FindStringSubmatch(inTree(t, "Dockerfile"))
	if found == nil {
		t.Fatal("the Dockerfile names no toolchain by version and digest")
	}
	needed := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(inTree(t, "go.mod"))
	if needed == nil || !strings.HasPrefix(found[1], needed[1]+".") {
		t.Errorf("Go %s in the image, %v in go.mod", found[1], needed)
	}
}
