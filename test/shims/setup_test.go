package shims

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// quick are the settings by which background work comes at once.
func quick(more ...string) []string {
	return append([]string{
		"--set", "upstream.service.anonymous=true", "--set", "reconcile.settleInterval=200ms", "--set", "reconcile.missingTwice=10ms",
		"--set", "upstream.timeouts.grace=1ms",
	}, more...)
}

// strict is what a registry refuses that has all parts of a manifest.
type strict struct {
	name string
	// versions are the registries before which it is tried.
	versions []rig.Distribution
	rows     []rig.Refusal
}

// stricts are what registries refuse, before both of Distribution's where the registry
// itself makes a difference.
func stricts() []strict {
	two, three := []rig.Distribution{rig.Distribution2}, []rig.Distribution{rig.Distribution3}
	both := []rig.Distribution{rig.Distribution2, rig.Distribution3}
	return []strict{
		{"Docker's types, 400", both, []rig.Refusal{rig.DockerTypesOnly(http.StatusBadRequest)}},
		{"Docker's types, 404", two, []rig.Refusal{rig.DockerTypesOnly(http.StatusNotFound)}},
		{"Docker's types, 405", three, []rig.Refusal{rig.DockerTypesOnly(http.StatusMethodNotAllowed)}},
		{"Docker's types, 415", two, []rig.Refusal{rig.DockerTypesOnly(http.StatusUnsupportedMediaType)}},
		{"no OCI index", both, []rig.Refusal{rig.OCIIndexes(http.StatusBadRequest)}},
		{"no absent subject", both, []rig.Refusal{rig.AbsentSubjects()}},
		{"types of a list", both, []rig.Refusal{typesOfAList(), rig.AbsentSubjects()}},
	}
}

// typesOfAList refuses all configs but those of images, and all artifact types.
func typesOfAList() rig.Refusal { return rig.TypesBut(rig.ImageConfig, rig.DockerConfig) }

// front is backref in front of a registry that refuses what others take.
type front struct {
	// registry has the content; nil where it is none of CNCF Distribution's.
	registry *rig.Registry
	// direct is where the registry itself listens, strict where it refuses.
	direct, strict string
	backref        *rig.Backref
	// kept are the tags under which manifests are kept in the repository.
	kept []string
}

// newFront starts a registry with rows before it, and backref in front.
func newFront(t *testing.T, version rig.Distribution, rows []rig.Refusal, args ...string) front {
	t.Helper()
	registry := rig.NewRegistry(t, version)
	relay := rig.NewStrict(t, registry.URL, rows...)
	return front{registry, registry.URL, relay.URL, rig.NewBackref(t, relay.URL, quick(args...)...), nil}
}

// repository is where the tests push to.
const repository = "team/app"

// newDocker27Front is [newFront] with docker/distribution 2.7.1.
func newDocker27Front(t *testing.T, rows ...rig.Refusal) front {
	t.Helper()
	registry := rig.NewDocker27(t)
	strict := registry.URL
	if len(rows) > 0 {
		strict = rig.NewStrict(t, registry.URL, rows...).URL
	}
	return front{nil, registry.URL, strict, rig.NewBackref(t, strict, quick()...), nil}
}

// newOtherFront is [newFront] with a registry that is no CNCF Distribution.
func newOtherFront(t *testing.T, registry *rig.Other) front {
	t.Helper()
	return front{nil, registry.URL, registry.URL, rig.NewBackref(t, registry.URL, quick()...), nil}
}

// fronts are those that many and unlucky clients, and those that sign and attach, are
// tried at: one of each kind of registry.
func fronts() map[string]func(t *testing.T) front {
	return map[string]func(t *testing.T) front{
		"Docker's types":       func(t *testing.T) front { return dockerTypesOnly(t, rig.Distribution3) },
		"docker27":             func(t *testing.T) front { return newDocker27Front(t) },
		"crane registry serve": func(t *testing.T) front { return newOtherFront(t, rig.NewCraneRegistry(t)) },
		"olareg":               func(t *testing.T) front { return newOtherFront(t, rig.NewOlareg(t)) },
	}
}

// dockerTypesOnly is the front that most of what clients push needs an envelope at.
func dockerTypesOnly(t *testing.T, version rig.Distribution) front {
	t.Helper()
	return newFront(t, version, []rig.Refusal{rig.DockerTypesOnly(http.StatusBadRequest)})
}

// ownTags returns the tags of a form that the registry has, in their order.
func (f front) ownTags(t *testing.T, repository, suffix string) []string {
	t.Helper()
	tags := slices.DeleteFunc(rig.Tags(t, f.direct, repository), func(tag string) bool { return !strings.HasSuffix(tag, suffix) })
	slices.Sort(tags)
	return tags
}

// loseIndex ends backref, removes its index, and starts it with an index that is
// rebuilt from the registry.
func (f front) loseIndex(t *testing.T) {
	t.Helper()
	f.backref.Stop()
	if err := os.Remove(f.backref.Index); err != nil {
		t.Fatal(err)
	}
	f.backref.Restart()
	f.rebuild(t)
}

// rebuild has the index made anew, which has to go without a failure.
func (f front) rebuild(t *testing.T) {
	t.Helper()
	output := strings.TrimSpace(f.backref.Run(t, "index", "rebuild"))
	var last struct {
		Report struct {
			Failed  int
			Swapped bool
		}
	}
	if err := json.Unmarshal([]byte(output[strings.LastIndexByte(output, '\n')+1:]), &last); err != nil {
		t.Fatalf("rebuild: %v: %s", err, output)
	}
	if last.Report.Failed != 0 || !last.Report.Swapped {
		t.Errorf("rebuild: %s", output)
	}
}

// keptTag is the tag that a manifest is kept under.
func keptTag(manifest digest.Digest) string {
	return manifest.Algorithm().String() + "-" + manifest.Encoded()[:64] + ".kept"
}
