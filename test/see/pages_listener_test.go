package see

import (
	"net/http"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// What a listener does not hand out its page does not show either: a page asks as
// somebody who came by that listener.
func TestPagesObeyTheirListener(t *testing.T) {
	address := rig.FreeAddress(t)
	s := newShelf(t, "app", "--set", "ui.public=true",
		"--set", "server.listeners=[{name: runtime, listen: '"+address+"'}]",
		"--set", "artifacts.rules=[{name: images-only, repositories: ['**'], actions: [pull], listeners: [runtime], deny: ['application/spdx+json']}]")
	sbom := s.fill()["spdx23.json"].Digest.String()
	for base, status := range map[string]int{s.backref.URL: http.StatusOK, "http://" + address: http.StatusForbidden} {
		pages := newLooker(t, base+publicPages)
		for _, path := range []string{"/r/app/-/artifact/" + sbom, "/r/app/-/image/" + sbom} {
			if answer := pages.send(path, nil).want(t, status); status != http.StatusOK && strings.Contains(answer.body, "spdx") {
				t.Errorf("%s at the listener: %s", path, answer.body)
			}
		}
	}
}
