package notice

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// Notice tells that a referrer came to be listed.
type Notice struct {
	// Number orders notices; it is that of the [index.Arrival].
	Number uint64
	// Time is when the index recorded the referrer, in UTC.
	Time         time.Time
	Repository   string
	Subject      digest.Digest
	Digest       digest.Digest
	MediaType    string
	ArtifactType string
	Annotations  map[string]string
	// Size is that of the manifest, in bytes.
	Size int64
}

// Of returns the notice of an arrival.
func Of(a index.Arrival) Notice {
	return Notice{
		Number: a.Number, Time: a.At.UTC(), Repository: a.Record.Repository, Subject: a.Record.Subject(), Digest: a.Record.Digest,
		MediaType: a.Record.MediaType, ArtifactType: a.Record.ArtifactType, Annotations: a.Record.Annotations, Size: a.Record.Size,
	}
}

// sum is what a notice is known by: the same each time that it is read, and another one
// for every arrival, in whatever index.
func (n Notice) sum() [sha256.Size]byte {
	text := fmt.Appendf(nil, "notice\n%d\n%s\n%s\n", n.Number, n.Repository, n.Digest)
	return sha256.Sum256(binary.BigEndian.AppendUint64(text, uint64(n.Time.UnixNano())))
}

// ID returns the identifier of the notice as a message: receivers know by it what they
// are sent again.
func (n Notice) ID() string {
	sum := n.sum()
	return "msg_" + hex.EncodeToString(sum[:16])
}

// URN returns the identifier of the notice as an entry of a feed (RFC 4287, section
// 4.2.6): a UUID of version 8 (RFC 9562, section 5.8), made of a hash.
func (n Notice) URN() string {
	sum := n.sum()
	return urn(sum)
}

func urn(sum [sha256.Size]byte) string {
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
