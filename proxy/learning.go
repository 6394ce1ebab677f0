package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

// Clients that copy look by HEAD whether a manifest is there, and push nothing
// where it is. So whatever shows that the upstream has a manifest which the
// index doesn't know makes it known, before the client has its answer: the next
// listing that it asks for has it. Where that fails the answer stays as it is.

// shows tells whether an answer to a pull shows that the manifest is there,
// although it brings nothing or a part of it.
func shows(status int) bool {
	switch status {
	case http.StatusOK, http.StatusPartialContent, http.StatusNotModified, http.StatusRequestedRangeNotSatisfiable,
		http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	default:
		return false
	}
}

// stated returns the digest under which the manifest of a response is known.
// Where nothing was sent again registries state it as entity tag at most.
func stated(resp *http.Response, target path) digest.Digest {
	if target.digest != "" {
		return target.digest
	}
	text := resp.Header.Get("Docker-Content-Digest")
	if text == "" && resp.StatusCode == http.StatusNotModified {
		text = strings.Trim(resp.Header.Get("Etag"), `"`)
	}
	d, err := digest.Parse(text)
	if err != nil {
		return ""
	}
	return d
}

// indexed tells whether the index knows a manifest, or that it can't.
func (p *Proxy) indexed(ctx context.Context, target path, name digest.Digest) (bool, error) {
	key := nameWithin(target.elsewhere(), target.repository, name)
	if _, known := p.known.GetIfPresent(key); known {
		return true, nil
	}
	known, err := p.recorded(ctx, target.repository, name)
	if known {
		p.known.Set(key, struct{}{})
	}
	return known, err
}

// learnFrom learns of a manifest by an answer whose body is of no use for that.
func (p *Proxy) learnFrom(r *http.Request, target path, resp *http.Response) {
	if !shows(resp.StatusCode) {
		return
	}
	limit := int64(p.config.Limits.ManifestSize)
	size := limit
	if whole := resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Encoding") == ""; whole && resp.ContentLength >= 0 {
		if size = resp.ContentLength; size > limit {
			return
		}
	}
	if err := p.fetchUnknown(r, target, stated(resp, target), size); err != nil {
		note(r, zap.NamedError("notLearned", err))
	}
}

// learnRefused learns of a manifest that was not taken because it is there: a
// condition of a push by digest can't be lost for another reason.
func (p *Proxy) learnRefused(r *http.Request, push push, resp *http.Response) {
	if push.target.digest == "" || resp.StatusCode != http.StatusPreconditionFailed {
		return
	}
	if err := p.fetchUnknown(r, push.target, push.target.digest, 0); err != nil {
		note(r, zap.NamedError("notLearned", err))
	}
}

// fetchUnknown makes the index know a manifest of at most the given size, which
// is fetched as the client. Without a name it is the one that the tag stands
// for.
//
// Of a registry that is not known to be the upstream the upstream itself is
// asked: the index knows no other.
func (p *Proxy) fetchUnknown(r *http.Request, target path, name digest.Digest, size int64) error {
	ctx := r.Context()
	reference := target.tag
	if name != "" {
		if known, err := p.indexed(ctx, target, name); known || err != nil {
			return err
		}
		reference = name.String()
	}
	giveBack, err := p.memory.take(ctx, size)
	if err != nil {
		return err
	}
	defer giveBack()
	for attempt := 1; ; attempt++ {
		err := p.fetchAndRecord(r, target, reference)
		if !errors.Is(err, index.ErrStale) || attempt == maxAttempts {
			return err
		}
	}
}

func (p *Proxy) fetchAndRecord(r *http.Request, target path, reference string) error {
	ctx := r.Context()
	mark, err := p.store.Mark(ctx)
	if err != nil {
		return err
	}
	fetched, err := p.upstream.Manifest(ctx, p.unnamed(r, target), target.repository, reference, int64(p.config.Limits.ManifestSize))
	switch {
	case errors.Is(err, upstream.ErrNotFound) && !target.foreign:
		// It has gone since, or is only hidden from questions like ours.
		return nil
	case errors.Is(err, upstream.ErrNotFound), errors.Is(err, upstream.ErrInvalid):
		p.doneWith(target, digest.Digest(reference))
		return err
	case err != nil:
		return err
	}
	return p.record(ctx, target, mark, fetched.Digest, fetched.MediaType, fetched.Body)
}

// record records a manifest that the upstream was seen to have under mark.
func (p *Proxy) record(ctx context.Context, target path, mark index.Mark, name digest.Digest, mediaType string, body []byte) error {
	if known, err := p.indexed(ctx, target, name); known || err != nil {
		return err
	}
	manifest, err := p.manifestLimits().ParseServed(mediaType, name.Algorithm(), body)
	switch {
	case err == nil && manifest.Digest != name:
		return fmt.Errorf("the manifest has another digest than %s", name)
	case err != nil:
		// What a digest stands for can't become readable.
		p.doneWith(target, name)
		return fmt.Errorf("can't be indexed: %w", err)
	}
	err = p.store.Observe(context.WithoutCancel(ctx), mark, index.Record{Repository: target.repository, Manifest: manifest, Seen: p.now()})
	if err == nil {
		p.doneWith(target, name)
	}
	return err
}

// doneWith notes that there is no more to learn of a manifest for now.
func (p *Proxy) doneWith(target path, name digest.Digest) {
	if name.Validate() == nil {
		p.known.Set(nameWithin(target.elsewhere(), target.repository, name), struct{}{})
	}
}

// readAhead reads a body of at most room bytes that is looked at before it is
// passed on. It passes on what there was of it also where it is no whole one.
func readAhead(resp *http.Response, room int64) (body []byte, whole bool) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, room+1))
	rest := io.Reader(resp.Body)
	if err != nil {
		rest = failing{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), resp.Body}
	return body, err == nil && int64(len(body)) <= room
}

// failing is a reader that has failed.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
