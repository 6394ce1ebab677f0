package proxy

import (
	"net/url"
	"slices"
	"testing"

	"github.com/backref/backref/proxy/ext"
)

// What the extension says that it answers is what paths are read as, and the
// other way round.
func TestEndpointsOfTheExtension(t *testing.T) {
	var read []string
	for _, e := range extensionEndpoints() {
		read = append(read, e.String())
	}
	if !slices.Equal(read, ext.Endpoints()) {
		t.Errorf("paths are read as %q, the extension has %q", read, ext.Endpoints())
	}
	table := endpointTable()
	for _, name := range ext.Endpoints() {
		target, err := parsePath(&url.URL{Path: "/v2/a/" + ext.Name + "/" + name})
		if err != nil || target.endpoint.String() != name || !table[target.endpoint].answered {
			t.Errorf("%s is read as %s, %v", name, target.endpoint, err)
		}
	}
}
