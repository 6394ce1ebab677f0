package cluster

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
)

// startTimeout is how long the API server may take to be ready.
const startTimeout = 3 * time.Minute

// cluster is an API server that runs.
type cluster struct {
	// kubeconfig is the file by which clients reach it, with all rights.
	kubeconfig string
	dir        string
}

// start starts an API server until the test is over, with a namespace "reg" that
// the Pod Security Standard "restricted" holds in, a namespace "monitoring", and
// the resources that the chart has objects of.
func start(t *testing.T) *cluster {
	t.Helper()
	if os.Getenv("RIG_CLUSTER") == "" {
		t.Skip("it needs an API server: test/cluster/run")
	}
	dir := t.TempDir()
	etcd := "http://" + rig.FreeAddress(t)
	background(t, "etcd", "--data-dir", filepath.Join(dir, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--listen-peer-urls", "http://127.0.0.1:0", "--initial-advertise-peer-urls", "http://127.0.0.1:2380", "--initial-cluster", "default=http://127.0.0.1:2380")
	c := &cluster{dir: dir, kubeconfig: filepath.Join(dir, "kubeconfig")}
	token := rand.Text()
	tokens := write(t, filepath.Join(dir, "tokens.csv"), token+",root,1,system:masters\n")
	key := accountKey(t, filepath.Join(dir, "account.key"))
	address := rig.FreeAddress(t)
	host, port, _ := net.SplitHostPort(address)
	background(t, "kube-apiserver", "--etcd-servers", etcd, "--bind-address", host, "--secure-port", port,
		"--advertise-address", host, "--endpoint-reconciler-type", "none", "--cert-dir", filepath.Join(dir, "certs"),
		"--authorization-mode", "AlwaysAllow", "--disable-admission-plugins", "ServiceAccount", "--token-auth-file", tokens,
		"--service-account-key-file", key, "--service-account-signing-key-file", key,
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-cluster-ip-range", "10.96.0.0/16")
	write(t, c.kubeconfig, fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
  - name: test
    cluster: {server: "https://%s", certificate-authority: %s}
users:
  - name: root
    user: {token: %s}
contexts:
  - name: test
    context: {cluster: test, user: root, namespace: reg}
current-context: test
`, address, filepath.Join(dir, "certs/apiserver.crt"), token))
	c.awaitReady(t)
	c.prepare(t)
	return c
}

// awaitReady waits until the server says that it is ready.
func (c *cluster) awaitReady(t *testing.T) {
	t.Helper()
	var last rig.Command
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if last = c.try(t, "", "kubectl", "get", "--raw", "/readyz"); last.Err == nil {
			return
		}
	}
	t.Fatalf("the API server is not ready: %s", last.Stderr)
}

func (c *cluster) prepare(t *testing.T) {
	t.Helper()
	c.run(t, `
apiVersion: v1
kind: Namespace
metadata:
  name: reg
  labels:
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/warn: restricted
---
apiVersion: v1
kind: Namespace
metadata:
  name: monitoring
`, "kubectl", "apply", "-f", "-")
	c.run(t, "", "kubectl", "apply", "--server-side", "-f", filepath.Join(rig.Root(t), ".tools/crds"))
	c.run(t, "", "kubectl", "wait", "--for=condition=Established", "--all", "customresourcedefinitions", "--timeout=60s")
}

// try runs a client of the server with standard input and returns what came of
// it.
func (c *cluster) try(t *testing.T, input, name string, args ...string) rig.Command {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), rig.Tool(t, name), args...)
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig, "HOME="+c.dir)
	err := cmd.Run()
	return rig.Command{Stdout: stdout.String(), Stderr: stderr.String(), Err: err}
}

// run is [cluster.try] for clients that have to succeed; it returns what they
// wrote to standard output.
func (c *cluster) run(t *testing.T, input, name string, args ...string) string {
	t.Helper()
	got := c.try(t, input, name, args...)
	if got.Err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), got.Err, got.Stdout, got.Stderr)
	}
	return got.Stdout
}

// background runs a program until the test is over, and shows the end of its
// log where the test has failed.
func background(t *testing.T, name string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(rig.Tool(t, name), args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
		if content, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("log of %s:\n%s", name, content[max(0, len(content)-4000):])
		}
	})
}

// accountKey writes the key by which tokens of service accounts are signed.
func accountKey(t *testing.T, path string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
