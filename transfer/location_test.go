package transfer

import (
	"testing"

	"github.com/backref/backref/client"
)

const sum = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

func TestParseLocation(t *testing.T) {
	for text, want := range map[string]Location{
		"oci:dir":                     {Kind: Layout, Path: "dir"},
		"oci:dir:v1":                  {Kind: Layout, Path: "dir", Tag: "v1"},
		"oci:/a:b/dir":                {Kind: Layout, Path: "/a:b/dir"},
		"oci:dir@" + sum:              {Kind: Layout, Path: "dir", Digest: sum},
		"oci-archive:a/b.tar:v1":      {Kind: Archive, Path: "a/b.tar", Tag: "v1"},
		"oci-archive:b.tar:v1@" + sum: {Kind: Archive, Path: "b.tar", Tag: "v1", Digest: sum},
		"localhost:5000/app:v1":       {Reference: client.Reference{Host: "localhost:5000", Repository: "app", Tag: "v1"}, Tag: "v1"},
	} {
		if got, err := ParseLocation(text); err != nil || got != want {
			t.Errorf("%s: %#v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "oci:", "oci::v1", "oci:dir:", "oci:dir:a b", "oci:dir@sha256:1", "dir", "oci-archive:", "docker-archive:x"} {
		if got, err := ParseLocation(text); err == nil {
			t.Errorf("%q: %#v", text, got)
		}
	}
}
