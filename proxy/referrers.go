package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// listReferrers answers a referrers query (end-12): whom it is for is asked
// first, then every source that may hold more than the index, then the index.
func (p *Proxy) listReferrers(w http.ResponseWriter, r *http.Request, target path) {
	client := p.readerOf(r, target)
	place := p.pages.place(r, target)
	if p.recall(client) && p.serveKept(w, r, place) {
		return
	}
	query, err := p.parseQuery(r.URL.Query())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if err := p.enter(r.Context(), client, target.digest); err != nil {
		p.fail(w, r, err)
		return
	}
	found, err := p.listing(r.Context(), client, target.digest, query)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	answer := answerOf(target, query, found.Page)
	if place != nil && found.lasting && p.indexKnowsAll(place.tag) {
		place.keep(answer)
	}
	answer.write(w, r)
}

// gathered is a page of a listing.
type gathered struct {
	index.Page
	// lasting says that it stays right until the listing changes in the index:
	// nothing is open that the upstream would have to be asked for.
	lasting bool
}

// maxAttempts is how often a listing is begun anew because what was read from
// the upstream was overtaken meanwhile by a push or delete.
const maxAttempts = 5

// listing gathers one page.
func (p *Proxy) listing(ctx context.Context, client *reader, subject digest.Digest, query index.Query) (gathered, error) {
	for attempt := 1; ; attempt++ {
		page, err := p.gather(ctx, client, subject, query)
		if !errors.Is(err, index.ErrStale) || attempt == maxAttempts {
			return page, err
		}
	}
}

// gather asks every source once, as the client. One that may read nothing gets
// the page of an unknown repository; what it made of the sources till then does
// not depend on what the index holds, and changes nothing there.
func (p *Proxy) gather(ctx context.Context, client *reader, subject digest.Digest, query index.Query) (gathered, error) {
	unsettled, err := p.store.Unsettled(ctx, client.repository, subject)
	if err != nil {
		return gathered{}, err
	}
	lasting := len(unsettled) == 0
	open := p.withoutUnderway(unsettled)
	if err := p.tryReferrers(ctx, client, subject, open); err != nil {
		return gathered{}, err
	}
	read, err := p.importTag(ctx, client, subject, open)
	if err != nil {
		return gathered{}, err
	}
	native, err := p.nativeReferrers(ctx, client, subject)
	if err != nil {
		return gathered{}, err
	}
	if !client.permitted {
		p.metrics.gate.WithLabelValues("hidden").Inc()
		return gathered{}, nil
	}
	findings, err := p.askForIntents(ctx, client, open)
	if err != nil {
		return gathered{}, err
	}
	if err := errors.Join(p.settle(ctx, findings), p.keep(ctx, read)); err != nil {
		return gathered{}, err
	}
	page, err := p.store.Referrers(ctx, client.repository, subject, query)
	if err != nil {
		return gathered{}, err
	}
	return gathered{merge(page, native, query), lasting}, nil
}

// parseQuery reads the parameters of a listing.
func (p *Proxy) parseQuery(values url.Values) (index.Query, error) {
	query := index.Query{
		ArtifactType: values.Get("artifactType"),
		MaxBytes:     int(p.config.Limits.ResponseSize) - len(listHead) - len(listTail),
	}
	if len(values["artifactType"]) > 1 {
		return query, badRequest(codeUnsupported, "artifactType: give it once")
	}
	if n := values.Get("n"); n != "" {
		limit, err := strconv.Atoi(n)
		if err != nil || limit < 1 {
			return query, badRequest(codeUnsupported, "n: need a whole number above 0")
		}
		query.Limit = limit
	}
	if last := values.Get("last"); last != "" {
		after, err := parseCursor(last)
		if err != nil {
			return query, badRequest(codeUnsupported, "last: not a value that a Link of this endpoint gave")
		}
		query.After = after
	}
	return query, nil
}

// The cursor is opaque to clients: a version, then the last digest shown. It
// stays right while others push, since the order is that of digests.
const cursorVersion = "1 "

func formatCursor(last digest.Digest) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorVersion + last.String()))
}

func parseCursor(cursor string) (digest.Digest, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", err
	}
	last, known := strings.CutPrefix(string(raw), cursorVersion)
	if !known {
		return "", errors.New("cursor of another version")
	}
	return digest.Parse(last)
}

// What stands around the descriptors of a page.
const (
	listHead = `{"schemaVersion":2,"mediaType":"` + index.MediaTypeImageIndex + `","manifests":[`
	listTail = `]}`
)

// answerOf makes the answer that shows a page.
func answerOf(target path, query index.Query, page index.Page) referrersAnswer {
	body := encodePage(page)
	sum := sha256.Sum256(body)
	answer := referrersAnswer{body: body, length: lengthOf(body), etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
	if query.ArtifactType != "" {
		answer.filters = "artifactType"
	}
	if page.More {
		answer.link = nextLink(target, query, page)
	}
	return answer
}

func encodePage(page index.Page) []byte {
	size := len(listHead) + len(listTail)
	for _, referrer := range page.Referrers {
		size += len(referrer.Descriptor) + 1
	}
	body := append(make([]byte, 0, size), listHead...)
	for i, referrer := range page.Referrers {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, referrer.Descriptor...)
	}
	return append(body, listTail...)
}

func nextLink(target path, query index.Query, page index.Page) string {
	values := url.Values{"last": {formatCursor(page.Referrers[len(page.Referrers)-1].Digest)}}
	if query.Limit > 0 {
		values.Set("n", strconv.Itoa(query.Limit))
	}
	if query.ArtifactType != "" {
		values.Set("artifactType", query.ArtifactType)
	}
	next := url.URL{
		Path:     "/v2/" + target.repository + "/referrers/" + target.digest.String(),
		RawQuery: values.Encode(),
	}
	return "<" + next.String() + `>; rel="next"`
}

// etagMatches compares weakly (RFC 9110, section 13.1.2).
func etagMatches(conditions []string, etag string) bool {
	for _, condition := range conditions {
		for candidate := range strings.SplitSeq(condition, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
				return true
			}
		}
	}
	return false
}
