package conformance

import (
	"fmt"
	"testing"

	"github.com/backref/backref/test/rig"
)

// Two registries, of which one keeps what has a subject, are one registry to the suite:
// nothing fails.
func TestConformanceOfTwoRegistries(t *testing.T) {
	for _, versions := range [][2]rig.Distribution{{rig.Distribution2, rig.Distribution3}, {rig.Distribution3, rig.Distribution2}} {
		for _, of := range []string{"1.1", "dev"} {
			t.Run(fmt.Sprintf("%s/%s beside %s", of, versions[1], versions[0]), func(t *testing.T) {
				t.Parallel()
				second := rig.NewRegistry(t, versions[1])
				through := rig.NewBackref(t, rig.NewRegistry(t, versions[0]).URL, "--set",
					fmt.Sprintf(`referrers.upstream=[{repositories: ["**"], url: "%s", prefix: referrers, service: {anonymous: true}}]`, second.URL))
				for _, name := range suite(t, of, through.Host).fails() {
					t.Errorf("%s fails", name)
				}
			})
		}
	}
}
