package probe

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// maxPart is how much is read of what should be a byte.
const maxPart = 1 << 10

// askRange asks for a part of a blob.
func (p *probe) askRange(ctx context.Context, part string) (asked exchange, found *Finding) {
	reason := p.sample.without()
	if reason == "" && p.sample.blob == "" {
		reason = "no blob of " + p.sample.repository + " is known"
	}
	if reason != "" {
		f := unknown(reason)
		return asked, &f
	}
	return p.ask(ctx, p.sample.repository, question{
		method: http.MethodGet, url: blobURL(p.sample.repository, p.sample.blob),
		header: http.Header{"Range": {part}}, most: maxPart,
	}), nil
}

// checkRanges tells whether the registry sends a part of a blob.
func (p *probe) checkRanges(ctx context.Context) Finding {
	asked, found := p.askRange(ctx, "bytes=1-1")
	switch {
	case found != nil:
		return *found
	case asked.unclear() != "":
		return asked.odd()
	case asked.status == http.StatusPartialContent && len(asked.body) == 1 && strings.HasPrefix(asked.header.Get("Content-Range"), "bytes 1-1/"):
		return asked.yes("one byte")
	case asked.status == http.StatusPartialContent:
		return asked.no("another part than was asked for")
	case asked.status == http.StatusOK:
		return asked.no("the whole blob")
	case asked.status == http.StatusRequestedRangeNotSatisfiable:
		return asked.no("")
	default:
		return asked.odd()
	}
}

// checkRangesRefused tells whether the registry refuses a part that there is none of.
func (p *probe) checkRangesRefused(ctx context.Context) Finding {
	asked, found := p.askRange(ctx, fmt.Sprintf("bytes=%d-", p.sample.size))
	switch {
	case found != nil:
		return *found
	case asked.unclear() != "":
		return asked.odd()
	case asked.broken && asked.status == http.StatusRequestedRangeNotSatisfiable:
		// As where the length of the blob is said to be that of the refusal.
		return asked.no("the answer breaks off")
	case asked.status == http.StatusRequestedRangeNotSatisfiable:
		return asked.yes("")
	case asked.status == http.StatusOK:
		return asked.no("the whole blob")
	case asked.status == http.StatusPartialContent:
		return asked.no("a part that there is none of")
	default:
		return asked.odd()
	}
}
