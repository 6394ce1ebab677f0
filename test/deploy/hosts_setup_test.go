package deploy

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// needRoot fails a test that makes namespaces, mounts or files of other users
// where it may not: those who run it are to know that it was not done.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("containers and services are started here as root: run test/run as root, or leave the test out by -skip")
	}
}

// output runs a program that has to succeed and returns what it printed.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// inTree returns the content of a file below the checkout.
func inTree(t *testing.T, path ...string) string {
	t.Helper()
	return readFile(t, filepath.Join(append([]string{rig.Root(t)}, path...)...))
}

// pushSigned pushes an image and an artifact that refers to it through a base
// URL, and fails the test where the artifact isn't acknowledged as a referrer.
func pushSigned(t *testing.T, base, repository string) (subject, referrer rig.Manifest) {
	t.Helper()
	rig.PushBlob(t, base, repository, rig.Empty)
	subject = rig.Image(repository)
	rig.Push(t, base, repository, "v1", subject).Want(t, http.StatusCreated)
	referrer = rig.Artifact("application/spdx+json", "sbom", subject.Descriptor())
	if got := rig.Push(t, base, repository, "", referrer).Want(t, http.StatusCreated); got.Header.Get("OCI-Subject") != subject.Digest().String() {
		t.Fatalf("no referrer was acknowledged: %v", got.Header)
	}
	return subject, referrer
}

// wantReferrer fails the test where a listing has anything else than a referrer.
func wantReferrer(t *testing.T, base, repository string, subject, referrer rig.Manifest) {
	t.Helper()
	listed := rig.Listing(t, base, repository, subject.Digest())
	if len(listed) != 1 || listed[0].Digest != referrer.Digest() {
		t.Errorf("%s lists %v, want %s", base, listed, referrer.Digest())
	}
}
