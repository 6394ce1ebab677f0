// Package coverage measures backref coverage over 10,000 tagged images beside loops of
// other tools that ask for each image, in front of a real registry:
//
//	test/tools bench && go test ./test/bench/coverage -bench . -benchtime 1x -timeout 60m
//
// The loops run over a sample, and are extrapolated. It is no part of the tests: without
// -bench nothing runs.
package coverage

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/test/rig"
)

const (
	images = 10_000
	sample = 50
	// parallel is how many pushes there are at once.
	parallel = 8

	signatureType = "application/vnd.cncf.notary.signature"
)

// BenchmarkCoverage pushes images, of which every other one has a signature, and asks
// which lack one: by one command, cold and warm, and image by image.
func BenchmarkCoverage(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "backref")
	if output, err := exec.Command("go", "build", "-o", binary, "../../../cmd/backref").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, output)
	}
	b.Setenv("RIG_BACKREF", binary)
	registry := rig.NewRegistry(b, rig.Distribution2)
	backref := rig.NewBackref(b, registry.URL)
	fill(b, backref.URL)
	repository := backref.Host + "/app"
	b.ResetTimer()
	for range b.N {
		// Nothing is remembered of the repository by a process that has just begun.
		backref.Restart()
		cold := ask(b, binary, repository)
		warm := ask(b, binary, repository)
		oras := loop(b, func(tag string) *exec.Cmd {
			return exec.Command(rig.Tool(b, "oras"), "discover", "--plain-http", "--format", "json", repository+":"+tag)
		})
		cosign := loop(b, func(tag string) *exec.Cmd {
			return exec.Command(rig.Tool(b, "cosign3"), "tree", "--allow-http-registry", repository+":"+tag)
		})
		b.ReportMetric(cold.Seconds(), "cold-s")
		b.ReportMetric(warm.Seconds(), "warm-s")
		b.ReportMetric(oras.Seconds(), "oras-s")
		b.ReportMetric(cosign.Seconds(), "cosign-s")
		b.ReportMetric(oras.Seconds()/cold.Seconds(), "oras/cold")
		b.ReportMetric(cosign.Seconds()/cold.Seconds(), "cosign/cold")
	}
}

// tagOf is the tag of an image.
func tagOf(i int) string { return fmt.Sprintf("v1.%d", i) }

// fill pushes the images and signatures.
func fill(b *testing.B, url string) {
	rig.PushBlob(b, url, "app", rig.Empty)
	var group errgroup.Group
	group.SetLimit(parallel)
	for i := range images {
		group.Go(func() error {
			image := rig.Image(tagOf(i))
			if err := put(b, url, tagOf(i), image); err != nil || i%2 == 1 {
				return err
			}
			signature := rig.Artifact(signatureType, tagOf(i), image.Descriptor())
			return put(b, url, signature.Digest().String(), signature)
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

// put pushes a manifest.
func put(b *testing.B, url, reference string, m rig.Manifest) error {
	reply, err := rig.Send(b, http.MethodPut, url+"/v2/app/manifests/"+reference, m.Bytes(), "Content-Type", m.MediaType)
	if err == nil && reply.Status != http.StatusCreated {
		err = fmt.Errorf("push %s: %d %s", reference, reply.Status, reply.Body)
	}
	return err
}

// ask asks by one command, and looks whether it answers right.
func ask(b *testing.B, binary, repository string) time.Duration {
	began := time.Now()
	output, err := exec.Command(binary, "coverage", repository, "--require", "signature", "-o", "json").Output()
	took := time.Since(began)
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		b.Fatalf("coverage: %v", err)
	}
	var answer struct{ Summary struct{ Images, Covered int } }
	if err := json.Unmarshal(output, &answer); err != nil || answer.Summary.Images != images || answer.Summary.Covered != images/2 {
		b.Fatalf("coverage says %+v, %v", answer.Summary, err)
	}
	return took
}

// loop asks for each image of a sample, and returns how long all would take.
func loop(b *testing.B, command func(tag string) *exec.Cmd) time.Duration {
	began := time.Now()
	for i := range sample {
		output, err := command(tagOf(i)).CombinedOutput()
		if err != nil {
			b.Fatalf("%v: %s", err, output)
		}
		if signed := i%2 == 0; strings.Contains(string(output), signatureType) != signed {
			b.Fatalf("%s, signed: %v: %s", tagOf(i), signed, output)
		}
	}
	return time.Since(began) * images / sample
}
