package ext

import (
	"bytes"
	"fmt"
	"time"

	"github.com/backref/backref/index"
)

// dated returns a page whose entries show the time by which referrers are ordered
// by time, in no more than so many bytes: what has no room then is on the next
// page.
func dated(page index.Page, size int) index.Page {
	referrers := make([]index.Referrer, 0, len(page.Referrers))
	for _, referrer := range page.Referrers {
		if at := referrer.Created; !at.IsZero() {
			shown := bytes.TrimSuffix(referrer.Descriptor, []byte("}"))
			referrer.Descriptor = fmt.Appendf(bytes.Clone(shown), `,"created":%q}`, at.UTC().Format(time.RFC3339Nano))
		}
		referrers = append(referrers, referrer)
	}
	fits := index.Query{MaxBytes: size}.Fit(referrers)
	return index.Page{Referrers: referrers[:fits], More: page.More || fits < len(referrers)}
}
