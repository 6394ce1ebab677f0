package deploy

import (
	"encoding/json"
	"os"
	"runtime"
	"slices"
	"testing"
)

// What a container runtime is told, in the words of the OCI runtime
// specification.
type (
	runtimeSpec struct {
		Version string         `json:"ociVersion"`
		Process runtimeProcess `json:"process"`
		Root    runtimeRoot    `json:"root"`
		Mounts  []runtimeMount `json:"mounts"`
		Linux   runtimeLinux   `json:"linux"`
	}
	runtimeProcess struct {
		User            runtimeUser         `json:"user"`
		Args            []string            `json:"args"`
		Env             []string            `json:"env"`
		Folder          string              `json:"cwd"`
		Capabilities    map[string][]string `json:"capabilities"`
		NoNewPrivileges bool                `json:"noNewPrivileges"`
	}
	runtimeUser struct {
		UID    int   `json:"uid"`
		GID    int   `json:"gid"`
		Groups []int `json:"additionalGids"`
	}
	runtimeRoot struct {
		Path     string `json:"path"`
		ReadOnly bool   `json:"readonly"`
	}
	runtimeMount struct {
		Destination string   `json:"destination"`
		Type        string   `json:"type"`
		Source      string   `json:"source"`
		Options     []string `json:"options,omitempty"`
	}
	runtimeLinux struct {
		Namespaces []runtimeNamespace `json:"namespaces"`
		Resources  runtimeResources   `json:"resources"`
		Masked     []string           `json:"maskedPaths"`
		ReadOnly   []string           `json:"readonlyPaths"`
		Seccomp    runtimeSeccomp     `json:"seccomp"`
	}
	runtimeNamespace struct {
		Type string `json:"type"`
	}
	runtimeResources struct {
		Memory struct {
			Limit int64 `json:"limit"`
		} `json:"memory"`
	}
	runtimeSeccomp struct {
		DefaultAction   string        `json:"defaultAction"`
		DefaultErrnoRet *uint         `json:"defaultErrnoRet,omitempty"`
		Architectures   []string      `json:"architectures"`
		Syscalls        []seccompRule `json:"syscalls"`
	}
	seccompRule struct {
		Names    []string          `json:"names"`
		Action   string            `json:"action"`
		ErrnoRet *uint             `json:"errnoRet,omitempty"`
		Args     []json.RawMessage `json:"args,omitempty"`
	}
)

// systemMounts are what every container has beside its volumes.
func systemMounts() []runtimeMount {
	return []runtimeMount{
		{"/proc", "proc", "proc", nil},
		{"/dev", "tmpfs", "tmpfs", []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{"/dev/shm", "tmpfs", "shm", []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
		{"/sys", "sysfs", "sysfs", []string{"nosuid", "noexec", "nodev", "ro"}},
	}
}

// hostLinux sets a container apart: namespaces of its own, a limit of memory,
// and the system calls that runtimes allow by default.
func hostLinux(t *testing.T, memory string) runtimeLinux {
	t.Helper()
	var linux runtimeLinux
	for _, kind := range []string{"pid", "network", "ipc", "uts", "mount"} {
		linux.Namespaces = append(linux.Namespaces, runtimeNamespace{kind})
	}
	limit, valid := megabytes(memory)
	if !valid {
		t.Fatalf("the pod's limit of memory is %q", memory)
	}
	linux.Resources.Memory.Limit = limit
	linux.Masked = []string{"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"}
	linux.ReadOnly = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
	linux.Seccomp = defaultSeccomp(t)
	return linux
}

// defaultSeccomp is the profile that Podman, Buildah and CRI-O use where a pod
// asks for RuntimeDefault, for a process without capabilities.
func defaultSeccomp(t *testing.T) runtimeSeccomp {
	t.Helper()
	const path = "/usr/share/containers/seccomp.json"
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("buildah brings this file: run test/tools test: %v", err)
	}
	type condition struct{ Arches, Caps []string }
	var profile struct {
		DefaultAction   string
		DefaultErrnoRet *uint
		ArchMap         []struct {
			Architecture     string
			SubArchitectures []string
		}
		Syscalls []struct {
			seccompRule
			Includes, Excludes condition
		}
	}
	if err := json.Unmarshal(content, &profile); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	machine := map[string]string{"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}[runtime.GOARCH]
	made := runtimeSeccomp{DefaultAction: profile.DefaultAction, DefaultErrnoRet: profile.DefaultErrnoRet}
	for _, arch := range profile.ArchMap {
		if arch.Architecture == machine {
			made.Architectures = append([]string{machine}, arch.SubArchitectures...)
		}
	}
	for _, rule := range profile.Syscalls {
		included := len(rule.Includes.Caps) == 0 && (len(rule.Includes.Arches) == 0 || slices.Contains(rule.Includes.Arches, runtime.GOARCH))
		if included && !slices.Contains(rule.Excludes.Arches, runtime.GOARCH) {
			made.Syscalls = append(made.Syscalls, rule.seccompRule)
		}
	}
	if len(made.Architectures) == 0 || len(made.Syscalls) == 0 {
		t.Fatalf("%s has nothing for %s", path, runtime.GOARCH)
	}
	return made
}
