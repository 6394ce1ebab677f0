package clients

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/backref/backref/test/rig"
)

// attach runs oras attach n times at once against one subject.
func attach(t *testing.T, n int, host string) {
	t.Helper()
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			// Each has a home of its own; straight at the registry some of
			// them fail, which belongs to what is shown.
			got := rig.Try(t, t.TempDir(), "oras", "attach", "--plain-http", "--artifact-type", fmt.Sprintf("application/vnd.example.n%d", i),
				"--annotation", fmt.Sprintf("n=%d", i), host+"/app:v1")
			if got.Err != nil {
				t.Logf("oras attach: %v: %s", got.Err, got.Stderr)
			}
		})
	}
	group.Wait()
}

// TestRaceOfAttaches is the race that backref was made for: clients that keep
// the referrers tag overwrite each other's entries.
func TestRaceOfAttaches(t *testing.T) {
	const n = 32
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		image := rig.Image("race")
		subject := image.Digest()

		alone := rig.NewRegistry(t, version)
		rig.PushBlob(t, alone.URL, "app", rig.Empty)
		rig.Push(t, alone.URL, "app", "v1", image).Want(t, http.StatusCreated)
		attach(t, n, alone.Host)
		tag := rig.Do(t, http.MethodGet, alone.URL+"/v2/app/manifests/sha256-"+subject.Encoded(), nil, "Accept", rig.ImageIndex)
		survived := strings.Count(string(tag.Body), `"digest"`)

		registry := rig.NewRegistry(t, version)
		backref := rig.NewBackref(t, registry.URL)
		rig.PushBlob(t, backref.URL, "app", rig.Empty)
		rig.Push(t, backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		attach(t, n, backref.Host)
		listed := len(rig.Listing(t, backref.URL, "app", subject))
		if listed != n {
			t.Errorf("%d of %d referrers are listed", listed, n)
		}
		for _, tag := range rig.Tags(t, registry.URL, "app") {
			if strings.HasPrefix(tag, "sha256-") && !strings.HasSuffix(tag, ".referrer") {
				t.Errorf("a referrers tag was created: %s", tag)
			}
		}
		rig.Report(t, fmt.Sprintf("%d oras attach at once, %s: listed %d straight at the registry, %d through backref", n, version, survived, listed))
	})
}

// pusherVariable makes this test binary a process that pushes referrers.
const pusherVariable = "RIG_PUSHER"

// TestPusher is not a test of its own: it is the process that
// TestRaceOfProcesses starts several of.
func TestPusher(t *testing.T) {
	plan := os.Getenv(pusherVariable)
	if plan == "" {
		return
	}
	var base string
	var process, pushes, subjects int
	if _, err := fmt.Sscan(plan, &base, &process, &pushes, &subjects); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range pushes {
		group.Go(func() {
			artifact := rig.Artifact("application/vnd.example.race", fmt.Sprintf("%d/%d", process, i), raceSubject(i%subjects).Descriptor())
			if got, err := rig.Send(t, http.MethodPut, base+"/v2/app/manifests/"+artifact.Digest().String(), artifact.Bytes(),
				"Content-Type", artifact.MediaType); err != nil || got.Status != http.StatusCreated || got.Header.Get("OCI-Subject") == "" {
				t.Errorf("push: %v, %d: %s", err, got.Status, got.Body)
			}
		})
	}
	group.Wait()
}

func raceSubject(i int) rig.Manifest {
	return rig.Image(fmt.Sprintf("subject %d", i))
}

// TestRaceOfProcesses pushes from several processes at once, to one subject
// and to many.
func TestRaceOfProcesses(t *testing.T) {
	const processes, pushes = 4, 64
	for _, subjects := range []int{1, 16} {
		t.Run(fmt.Sprintf("%d subjects", subjects), func(t *testing.T) {
			rig.Each(t, func(t *testing.T, version rig.Distribution) {
				registry := rig.NewRegistry(t, version)
				backref := rig.NewBackref(t, registry.URL)
				rig.PushBlob(t, backref.URL, "app", rig.Empty)
				var group sync.WaitGroup
				for process := range processes {
					group.Go(func() {
						cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPusher$")
						cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %d", pusherVariable, backref.URL, process, pushes, subjects))
						if output, err := cmd.CombinedOutput(); err != nil {
							t.Errorf("process %d: %v\n%s", process, err, output)
						}
					})
				}
				group.Wait()
				listed := 0
				for i := range subjects {
					listed += len(rig.Listing(t, backref.URL, "app", raceSubject(i).Digest()))
				}
				if listed != processes*pushes {
					t.Errorf("%d of %d referrers are listed", listed, processes*pushes)
				}
				rig.Report(t, fmt.Sprintf("%d processes, %d pushes each, %d subjects, %s: acknowledged %d, listed %d",
					processes, pushes, subjects, version, processes*pushes, listed))
			})
		})
	}
}
