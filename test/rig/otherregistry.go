package rig

import (
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Other is a registry that is not CNCF Distribution, or was before it was. It
// starts empty, and what it has ends with the test.
type Other struct {
	// URL is where it listens; Host is the same without the scheme.
	URL, Host string
	*process
}

// NewCraneRegistry starts go-containerregistry's registry, which has no
// referrers API and cuts lists without a link.
func NewCraneRegistry(t testing.TB) *Other {
	t.Helper()
	cmd := exec.Command(Tool(t, "crane"), "registry", "serve", "--address", "127.0.0.1:0")
	p, port := start(t, "crane registry", regexp.MustCompile(`serving on port (\d+)`), cmd)
	return newOther(t, p, "127.0.0.1:"+port)
}

// NewOlareg starts olareg, which has a referrers API and no catalog; flags are added
// to its command line.
func NewOlareg(t testing.TB, flags ...string) *Other {
	t.Helper()
	// It doesn't say which port it has got.
	host, port, _ := strings.Cut(FreeAddress(t), ":")
	cmd := exec.Command(Tool(t, "olareg"), append([]string{
		"serve", "--addr", host, "--port", port, "--store-type", "mem", "--api-delete", "--verbosity", "info",
	}, flags...)...)
	p, address := start(t, "olareg", regexp.MustCompile(`launching server.* addr=(\S+)`), cmd)
	return newOther(t, p, address)
}

// NewDocker27 starts docker/distribution 2.7.1, which has no referrers API,
// knows nothing of `n` and `last` in lists of tags, and deletes by digest only.
func NewDocker27(t testing.TB) *Other {
	t.Helper()
	cmd := exec.Command(Tool(t, "registry27"), "--listen", "127.0.0.1:0", "--storage", t.TempDir())
	p, address := start(t, "registry27", regexp.MustCompile(`^listening on (127\.0\.0\.1:\d+)$`), cmd)
	return newOther(t, p, address)
}

// newOther waits until a registry answers.
func newOther(t testing.TB, p *process, host string) *Other {
	t.Helper()
	o := &Other{URL: "http://" + host, Host: host, process: p}
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(10 * time.Millisecond) {
		reply, err := Send(t, http.MethodGet, o.URL+"/v2/", nil)
		if err == nil && reply.Status == http.StatusOK {
			return o
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready: %v", p.name, err)
		}
	}
}
