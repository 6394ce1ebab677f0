package hostile

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// TestForgedHeaders checks that what a client says of itself is believed by
// neither backref nor the registry.
func TestForgedHeaders(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version)
		for _, c := range []struct{ name, source, header, value string }{
			{"forwarded", "RFC 7239, 8.1", "Forwarded", "for=10.0.0.1;host=evil.example;proto=https"},
			{"host", "CWE-348", "X-Forwarded-Host", "evil.example"},
			{"scheme", "CWE-348", "X-Forwarded-Proto", "https"},
			{"prefix", "CWE-348", "X-Forwarded-Prefix", "/evil.example"},
			{"port", "CWE-348", "X-Forwarded-Port", "666"},
			{"address", "CVE-2022-32148", "X-Forwarded-For", "evil.example"},
			{"real address", "CWE-348", "X-Real-Ip", "evil.example"},
			{"request identifier", "CWE-117", "X-Request-Id", "evil.example"},
			{"method", "CWE-436", "X-HTTP-Method-Override", "DELETE evil.example"},
			{"URL", "CVE-2018-14773", "X-Original-URL", "/v2/evil.example/manifests/v1"},
			{"rewritten URL", "CVE-2018-14773", "X-Rewrite-URL", "/v2/evil.example/manifests/v1"},
		} {
			t.Run(c.name, func(t *testing.T) {
				count(t)
				s.witness.requests()
				got := rig.Do(t, http.MethodPost, s.backref.URL+"/v2/app/blobs/uploads/", nil, c.header, c.value).Want(t, http.StatusAccepted)
				if location := got.Header.Get("Location"); strings.Contains(location, "evil") || strings.HasPrefix(location, "https") {
					t.Errorf("[%s] the client is sent to %s", c.source, location)
				}
				for _, r := range s.witness.requests() {
					if r.Method != http.MethodPost || slices.Contains(r.Header.Values(c.header), c.value) || strings.Contains(r.Host, "evil") {
						t.Errorf("[%s] the registry saw %s of %s with %v", c.source, r.Method, r.Host, r.Header)
					}
				}
			})
		}
	})
}

// TestWordsOfOthersInHeaders checks that what one client writes into a
// manifest or query reaches another's header as text at most.
func TestWordsOfOthersInHeaders(t *testing.T) {
	const evil = "a/b\r\nX-Injected:1"
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version)
		for name, m := range map[string]rig.Manifest{
			"annotation":    {Annotations: map[string]string{evil: evil}},
			"artifact type": {ArtifactType: evil},
		} {
			t.Run(name, func(t *testing.T) {
				count(t)
				artifact := rig.Artifact(m.ArtifactType, name, s.subject.Descriptor())
				if m.Annotations != nil {
					artifact.Annotations = m.Annotations
				}
				wantNoInjection(t, rig.Push(t, s.backref.URL, "app", "", artifact))
				listing := s.backref.URL + "/v2/app/referrers/" + s.subject.Digest().String()
				wantNoInjection(t, rig.Do(t, http.MethodGet, listing, nil).Want(t, http.StatusOK))
			})
		}
		t.Run("filter", func(t *testing.T) {
			count(t)
			for i := range 2 {
				artifact := rig.Artifact(evil, string(rune('a'+i)), s.subject.Descriptor())
				rig.Push(t, s.backref.URL, "app", "", artifact).Want(t, http.StatusCreated)
			}
			listing := s.backref.URL + "/v2/app/referrers/" + s.subject.Digest().String() + "?n=1&artifactType=a%2Fb%0D%0AX-Injected%3A1"
			got := rig.Do(t, http.MethodGet, listing, nil).Want(t, http.StatusOK)
			wantNoInjection(t, got)
			if got.Header.Get("Link") == "" {
				t.Error("no second page")
			}
		})
	})
}

func wantNoInjection(t *testing.T, reply rig.Reply) {
	t.Helper()
	if reply.Header.Get("X-Injected") != "" {
		t.Errorf("a header was injected: %v", reply.Header)
	}
}
