package registry

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
)

const (
	// knownFor is how long a manifest counts as one that the index knows,
	// without asking it again. One that is forgotten meanwhile is learned later.
	knownFor = time.Minute
	// knownManifests is how many of these are remembered.
	knownManifests = 10_000
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
func stated(resp *http.Response, reference Reference) digest.Digest {
	if reference.Digest != "" {
		return reference.Digest
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
func (r *Registry) indexed(ctx context.Context, caller *Caller, name digest.Digest) (bool, error) {
	key := caller.name(name)
	if _, known := r.known.GetIfPresent(key); known {
		return true, nil
	}
	known, err := r.recorded(ctx, caller.repository, name)
	if known {
		r.known.Set(key, struct{}{})
	}
	return known, err
}

// Indexed tells whether the index knows a manifest, or can't say.
func (r *Registry) Indexed(ctx context.Context, caller *Caller, manifest digest.Digest) bool {
	known, err := r.indexed(ctx, caller, manifest)
	return known || err != nil
}

// LearnFrom makes the index know the manifest that an answer to a pull shows to be
// there, although its body is of no use for that: the manifest is fetched as the
// caller.
func (r *Registry) LearnFrom(ctx context.Context, caller *Caller, reference Reference, resp *http.Response) {
	if !shows(resp.StatusCode) {
		return
	}
	most := r.Limits().Size
	size := most
	if whole := resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Encoding") == ""; whole && resp.ContentLength >= 0 {
		if size = resp.ContentLength; size > most {
			return
		}
	}
	if err := r.fetchUnknown(ctx, caller, reference, stated(resp, reference), size); err != nil {
		Note(ctx, zap.NamedError("notLearned", err))
	}
}

// learnRefused learns of a manifest that was not taken because it is there: a
// condition of a push by digest can't be lost for another reason.
func (r *Registry) learnRefused(ctx context.Context, push *Push, resp *http.Response) {
	if push.Digest == "" || resp.StatusCode != http.StatusPreconditionFailed {
		return
	}
	if err := r.fetchUnknown(ctx, push.Caller, push.Reference, push.Digest, 0); err != nil {
		Note(ctx, zap.NamedError("notLearned", err))
	}
}

// fetchUnknown makes the index know a manifest of at most the given size, which
// is fetched as the caller. Without a name it is the one that the tag stands
// for.
//
// Of a registry that is not known to be the upstream the upstream itself is
// asked: the index knows no other.
func (r *Registry) fetchUnknown(ctx context.Context, caller *Caller, reference Reference, name digest.Digest, size int64) error {
	if name != "" {
		if known, err := r.indexed(ctx, caller, name); known || err != nil {
			return err
		}
		reference = Reference{Digest: name}
	}
	giveBack, err := r.memory.Take(ctx, size)
	if err != nil {
		return err
	}
	defer giveBack()
	return UnderMark(ctx, r.store, func(ctx context.Context, mark index.Mark) error {
		return r.fetchAndRecord(ctx, caller, reference, mark)
	})
}

func (r *Registry) fetchAndRecord(ctx context.Context, caller *Caller, reference Reference, mark index.Mark) error {
	found, err := r.readerAs(caller.upstreamItself()).Manifest(ctx, caller.repository, reference.String())
	switch outcome := OutcomeOf(err); {
	case outcome == OutcomeRead:
		if known, err := r.indexed(ctx, caller, found.Digest); known || err != nil {
			return err
		}
		return r.record(ctx, caller, mark, found.Manifest)
	case outcome == OutcomeGone && caller.elsewhere == "":
		// It has gone since, or is only hidden from questions like ours.
		return nil
	case outcome == OutcomeUnknown:
		return err
	}
	// What a digest stands for can't become readable.
	r.doneWith(caller, cmp.Or(found.Digest, reference.Digest))
	return err
}

// Learn records the manifest that the body of an answer is, before it is passed
// on. mark is from before the upstream was asked. The body can still be read.
func (r *Registry) Learn(ctx context.Context, caller *Caller, reference Reference, mark index.Mark, resp *http.Response) {
	body, whole := readAhead(resp, r.Limits().Size)
	if !whole {
		return
	}
	name := stated(resp, reference)
	if name == "" {
		name = digest.FromBytes(body)
	}
	if err := r.recordBody(ctx, caller, mark, name, resp.Header.Get("Content-Type"), body); err != nil {
		Note(ctx, zap.NamedError("notIndexed", err))
	}
}

// recordBody records a manifest whose bytes a client is about to have.
func (r *Registry) recordBody(ctx context.Context, caller *Caller, mark index.Mark, name digest.Digest, mediaType string, body []byte) error {
	if known, err := r.indexed(ctx, caller, name); known || err != nil {
		return err
	}
	manifest, err := parse(r.Limits().Manifest, mediaType, "", name.Algorithm(), body)
	switch {
	case err != nil:
		// What a digest stands for can't become readable.
		r.doneWith(caller, name)
		return fmt.Errorf("can't be indexed: %w", err)
	case manifest.Digest != name:
		return fmt.Errorf("the manifest has another digest than %s", name)
	}
	return r.record(ctx, caller, mark, manifest)
}

// RoomToLearn takes room for the manifest of an answer where the index doesn't
// know it. It is false where the index does, or there is no room. The room is to
// be given back.
func (r *Registry) RoomToLearn(ctx context.Context, caller *Caller, reference Reference, resp *http.Response) (giveBack func(), unknown bool) {
	if name := stated(resp, reference); name != "" {
		if known, err := r.indexed(ctx, caller, name); known || err != nil {
			return func() {}, false
		}
	}
	giveBack, err := r.memory.Take(ctx, RoomFor(resp, r.Limits().Size))
	if err != nil {
		Note(ctx, zap.NamedError("notLearned", err))
		return func() {}, false
	}
	return giveBack, true
}

// RoomFor returns how many bytes the manifest of an answer may take, limit at
// most where its length is not known.
func RoomFor(resp *http.Response, limit int64) int64 {
	if resp.ContentLength >= 0 {
		return resp.ContentLength
	}
	return limit
}

// Mark returns the present point in the history of the index: see [index.Mark].
func (r *Registry) Mark(ctx context.Context) (index.Mark, error) {
	return r.store.Mark(ctx)
}

// record records a manifest that the upstream was seen to have under mark.
func (r *Registry) record(ctx context.Context, caller *Caller, mark index.Mark, manifest index.Manifest) error {
	err := r.observe(context.WithoutCancel(ctx), mark, caller.repository, manifest)
	if err == nil {
		r.doneWith(caller, manifest.Digest)
	}
	return err
}

// doneWith notes that there is no more to learn of a manifest for now.
func (r *Registry) doneWith(caller *Caller, name digest.Digest) {
	if name.Validate() == nil {
		r.known.Set(caller.name(name), struct{}{})
	}
}

// forget forgets what is kept of a manifest that is about to be deleted, or was.
func (r *Registry) forget(repository string, manifest digest.Digest) {
	r.options.Forget(repository, manifest)
	r.known.Invalidate(manifestName{repository, manifest})
}

// forgetWithin forgets also what is kept of a manifest under the name of the
// registry that the caller means.
func (r *Registry) forgetWithin(caller *Caller, manifest digest.Digest) {
	r.forget(caller.repository, manifest)
	if caller.elsewhere != "" {
		name := caller.name(manifest)
		r.elsewhere.Invalidate(name)
		r.known.Invalidate(name)
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
