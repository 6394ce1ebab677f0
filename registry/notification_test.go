package registry

import (
	"errors"
	"testing"

	"github.com/backref/backref/oci"
)

const (
	someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	longDigest = "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce" +
		"47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
)

// The events are as CNCF Distribution 2.8 and 3.1 send them, shortened.
func TestParseNotifications(t *testing.T) {
	for _, c := range []struct {
		name, event string
		want        Notification
		err         error
	}{
		{
			name: "push of a manifest",
			event: `{"id":"1","timestamp":"2026-01-02T03:04:05Z","action":"push","target":{"mediaType":"` + oci.MediaTypeImageManifest +
				`","size":2,"digest":"` + someDigest + `","length":2,"repository":"a/b","url":"http://r/v2/","tag":"v1"},"request":{},"actor":{},"source":{}}`,
			want: Notification{action: actionPush, concerns: true, repository: "a/b", digest: someDigest, tag: "v1"},
		},
		{
			name:  "push of a blob",
			event: `{"action":"push","target":{"mediaType":"application/octet-stream","digest":"` + someDigest + `","repository":"a"}}`,
			want:  Notification{action: actionPush},
		},
		{
			name:  "pull",
			event: `{"action":"pull","target":{"mediaType":"` + oci.MediaTypeImageManifest + `","digest":"` + someDigest + `","repository":"a"}}`,
			want:  Notification{action: actionPull},
		},
		{
			name:  "delete",
			event: `{"action":"delete","target":{"mediaType":"","size":0,"digest":"` + longDigest + `","repository":"a"}}`,
			want:  Notification{action: actionDelete, concerns: true, repository: "a", digest: longDigest},
		},
		{
			name:  "delete of a tag",
			event: `{"action":"delete","target":{"repository":"a","tag":"v1"}}`,
			want:  Notification{action: actionDelete},
		},
		{name: "unknown action", event: `{"action":"explode"}`, want: Notification{action: actionOther}},
		{
			name:  "no repository",
			event: `{"action":"delete","target":{"digest":"` + someDigest + `","repository":"../a"}}`,
			want:  Notification{action: actionDelete, concerns: true, repository: "../a", digest: someDigest}, err: errRepository,
		},
		{
			name:  "no digest",
			event: `{"action":"delete","target":{"digest":"sha256:0","repository":"a"}}`,
			want:  Notification{action: actionDelete, concerns: true, repository: "a", digest: "sha256:0"}, err: errDigest,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, err := ParseNotifications([]byte(`{"events":[` + c.event + `]}`))
			if err != nil || len(all) != 1 {
				t.Fatalf("got %v, %v", all, err)
			}
			got := all[0]
			if !errors.Is(got.err, c.err) {
				t.Errorf("error %v, want %v", got.err, c.err)
			}
			got.err = nil
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
	for _, bad := range []string{``, `null`, `{}`, `[]`, `{"events":null}`, `{"events":{}}`, `{"events":[{"action":1}]}`, `{"events":[]} x`} {
		if all, err := ParseNotifications([]byte(bad)); err == nil {
			t.Errorf("%q was taken for %v", bad, all)
		}
	}
}

func FuzzParseNotifications(f *testing.F) {
	f.Add([]byte(`{"events":[{"action":"push","target":{"mediaType":"` + oci.MediaTypeImageIndex + `","digest":"` + someDigest + `","repository":"a/b","tag":"v1"}}]}`))
	f.Add([]byte(`{"events":[{"action":"delete","target":{"digest":"` + someDigest + `","repository":"a"}},{"action":"x"}]}`))
	f.Add([]byte(`{"events":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := ParseNotifications(body)
		if err != nil && len(all) > 0 {
			t.Fatalf("both events and an error: %v", err)
		}
		for _, n := range all {
			if n.action != knownAction(n.action) && n.action != actionOther {
				t.Fatalf("action %q", n.action)
			}
			usable := n.concerns && n.err == nil
			if usable && (!oci.ValidRepository(n.repository) || n.digest.Validate() != nil) {
				t.Fatalf("taken for usable: %+v", n)
			}
		}
	})
}
