package upstream

import (
	"context"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/backref/backref/upstream/wire"
)

func TestKindOf(t *testing.T) {
	for path, want := range map[string]string{
		"/v2/":                             kindBase,
		"/below/v2/_catalog":               kindCatalog,
		"/v2/app/manifests/v1":             kindManifests,
		"/v2/blobs/tags/list":              kindTags,
		"/v2/app/blobs/sha256:0":           kindBlobs,
		"/v2/app/blobs/uploads/":           kindUploads,
		"/v2/app/blobs/uploads/some/more":  kindUploads,
		"/v2/manifests/referrers/sha256:0": kindReferrers,
		"/token":                           kindOther,
		"":                                 kindOther,
	} {
		if got := kindOf(path); got != want {
			t.Errorf("%q is of kind %s, want %s", path, got, want)
		}
	}
}

func TestReasonOf(t *testing.T) {
	for want, err := range map[string]error{
		reasonCanceled: fmt.Errorf("send: %w", context.Canceled),
		reasonTimeout:  wire.ErrSilent,
		reasonDNS:      &net.OpError{Op: "dial", Err: &net.DNSError{}},
		reasonRefused:  &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
		reasonConnect:  &net.OpError{Op: "dial", Err: context.DeadlineExceeded},
		reasonBroken:   &net.OpError{Op: "read", Err: syscall.ECONNRESET},
		reasonOther:    io.ErrShortBuffer,
	} {
		if got := reasonOf(err); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}
