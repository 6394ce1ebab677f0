package proxy_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestAQueryThatIsReadInPartIsRefused checks that no parameter is dropped in
// silence, by which an answer would show more than was asked for.
func TestAQueryThatIsReadInPartIsRefused(t *testing.T) {
	f, subject, _ := keptListing(t)
	for _, at := range append(endpoints(subject), "referrers/"+subject.String(), "tags/list") {
		if strings.HasSuffix(at, "discover") {
			continue
		}
		for _, wrong := range []string{"artifactType=a/one;v=1", "annotation=%zz", "n=1&last=100%"} {
			path := "/v2/a/" + at + "?" + wrong
			if strings.Contains(at, "?") {
				path = "/v2/a/" + at + "&" + wrong
			}
			for range 2 {
				got := f.do(http.MethodGet, path, nil)
				if got.status != http.StatusBadRequest || string(got.body) != `{"errors":[{"code":"UNSUPPORTED","message":"query: encode ; as %3B and % as %25"}]}` {
					t.Errorf("%s: status %d: %s", path, got.status, got.body)
				}
			}
		}
	}
	if got := f.do(http.MethodGet, "/v2/_catalog?n=1;last=x", nil); got.status != http.StatusBadRequest {
		t.Errorf("catalog: status %d: %s", got.status, got.body)
	}
	if seen := f.registry.seen(); len(seen) > 0 {
		t.Errorf("the registry saw %v", seen)
	}
	got := f.do(http.MethodGet, "/v2/a/referrers/"+subject.String()+"?artifactType=a/one%3Bv=1", nil)
	if got.status != http.StatusOK || got.header.Get("OCI-Filters-Applied") != "artifactType" || !strings.Contains(string(got.body), `"manifests":[]`) {
		t.Errorf("encoded: status %d, filters %q: %s", got.status, got.header.Get("OCI-Filters-Applied"), got.body)
	}
}
