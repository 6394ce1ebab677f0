package shim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// read serves a manifest by its digest: the registry's own, else the one that is kept.
func (k kept) read(as upstream.Credentials, req *http.Request, t upstream.Target, named digest.Digest) (*http.Response, error) {
	// Sending points it at the registry.
	to := *req.URL
	resp, err := k.next.Send(as, req)
	if err != nil || !missing(resp) && !unreadable(resp.StatusCode) {
		return resp, err
	}
	ask := upstream.Aside(req, req.Method, &to)
	found, err := k.find(ask.Context(), as.Behind(req), t.Repository, named)
	switch {
	case errors.Is(err, upstream.ErrNotFound), err != nil && unreadable(resp.StatusCode):
		return resp, nil
	case err != nil:
		upstream.Discard(resp)
		return upstream.AnswerOf(ask, err)
	}
	upstream.Discard(resp)
	return found.show(ask), nil
}

// missing tells whether a registry says that it has no manifest by a digest, or that it
// knows no digest of the kind.
func missing(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusNotFound:
		return true
	case http.StatusBadRequest:
		return resp.Request == nil || resp.Request.Method == http.MethodHead ||
			slices.ContainsFunc(codes(resp), func(code string) bool {
				return code == oci.CodeDigestInvalid || code == oci.CodeManifestInvalid || code == "UNSUPPORTED"
			})
	default:
		return false
	}
}

// unreadable tells whether a registry may have taken what is in an envelope for a
// manifest of its own, and not know its type: Distribution 2 finds a manifest also where
// there is only a blob of its digest, and fails then.
func unreadable(status int) bool { return status == http.StatusInternalServerError }

// show makes the answer to a request for a manifest.
func (h holding) show(req *http.Request) *http.Response {
	return upstream.Answer(req, http.StatusOK, h.header(), h.body)
}

// head makes the answer to a HEAD of the manifest of an envelope.
func (e envelope) head(req *http.Request) *http.Response {
	resp := upstream.Answer(req, http.StatusOK, e.header(), nil)
	resp.ContentLength = e.Size
	resp.Header.Set("Content-Length", strconv.FormatInt(e.Size, 10))
	return resp
}

func (e envelope) header() http.Header {
	return http.Header{
		"Content-Type":          {e.MediaType},
		"Docker-Content-Digest": {e.Named.String()},
		"Etag":                  {strconv.Quote(e.Named.String())},
	}
}

// readTag serves a manifest by a tag: what is in the envelope that the tag stands for,
// and the registry's answer where it stands for none.
func (k kept) readTag(as upstream.Credentials, req *http.Request, t upstream.Target) (*http.Response, error) {
	accept, behind := req.Header["Accept"], as.Behind(req)
	ask := upstream.Aside(req, req.Method, req.URL)
	resp, err := k.next.Send(as, req)
	switch {
	case err != nil:
		return nil, err
	case oci.IsKeptTag(t.Reference) && resp.StatusCode == http.StatusOK, unacceptable(resp, accept):
		return k.lookInto(behind, ask, resp, t)
	case !maybeEnvelope(resp):
		return resp, nil
	case ask.Method == http.MethodGet && resp.Header.Get("Content-Encoding") == "":
		return k.unwrap(behind, ask, resp, t)
	}
	stated := digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	switch told, known := k.verdicts.GetIfPresent(stated); {
	case known && !told.is:
		return resp, nil
	case known && ask.Method == http.MethodHead:
		upstream.Discard(resp)
		return told.head(ask), nil
	default:
		// By its header, or compressed, an envelope can't be told.
		return k.lookInto(behind, ask, resp, t)
	}
}

// unwrap returns what is in a response that may be an envelope, else the response.
func (k kept) unwrap(as upstream.Credentials, ask *http.Request, resp *http.Response, t upstream.Target) (*http.Response, error) {
	stated := digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	start, err := peek(resp, int64(len(envelopePrefix)))
	if err != nil || !isEnvelope(start) {
		if err == nil && stated != "" {
			k.verdicts.Set(stated, verdict{})
		}
		return resp, nil //nolint:nilerr // Who reads on is told.
	}
	body, err := peek(resp, maxKept+1)
	if len(body) > maxKept {
		return resp, nil //nolint:nilerr // It is larger than any envelope, and passes as it comes.
	}
	defer upstream.Discard(resp)
	if err != nil {
		return nil, fmt.Errorf("%w: read envelope: %w", upstream.ErrUnreachable, err)
	}
	return k.opened(as, ask, t, body, upstream.Answer(ask, resp.StatusCode, resp.Header.Clone(), body))
}

// lookInto asks what a tag stands for, and returns what is in the envelope, or kept as
// it is. Where the tag stands for neither the response is passed on.
func (k kept) lookInto(as upstream.Credentials, ask *http.Request, resp *http.Response, t upstream.Target) (*http.Response, error) {
	found, err := k.next.Manifest(ask.Context(), as.For(t.Repository), t.Repository, t.Reference, maxKept)
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return resp, nil
	case err != nil:
		upstream.Discard(resp)
		return upstream.AnswerOf(ask, err)
	case !isEnvelope(found.Body):
		k.verdicts.Set(found.Digest, verdict{})
		if held, err := keptUnder(t.Reference, found); err == nil {
			upstream.Discard(resp)
			return held.show(ask), nil
		}
		return resp, nil
	}
	return k.opened(as, ask, t, found.Body, resp)
}

// opened returns what is in an envelope, and a response where that is none.
func (k kept) opened(as upstream.Credentials, ask *http.Request, t upstream.Target, body []byte, resp *http.Response) (*http.Response, error) {
	e, err := decodeEnvelope(body)
	k.judged(digest.FromBytes(body), e, err)
	if err != nil {
		return resp, nil //nolint:nilerr // It is a manifest of somebody else's.
	}
	inside, err := k.open(ask.Context(), as, t.Repository, e)
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return resp, nil
	case err != nil:
		upstream.Discard(resp)
		return upstream.AnswerOf(ask, err)
	}
	upstream.Discard(resp)
	return holding{e, digest.FromBytes(body), inside}.show(ask), nil
}

// keptUnder is what is kept as it is under a kept tag, by the digest that the tag names.
func keptUnder(tag string, found upstream.Manifest) (holding, error) {
	algorithm, _, _ := strings.Cut(tag, "-")
	if !oci.IsKeptTag(tag) || !keptBy(tag, found.Body) {
		return holding{}, upstream.ErrNotFound
	}
	return whole(digest.Algorithm(algorithm).FromBytes(found.Body), found)
}

// maybeEnvelope tells whether a response may be an envelope by its media type.
func maybeEnvelope(resp *http.Response) bool {
	return resp.StatusCode == http.StatusOK && slices.Contains(envelopeTypes(), bare(resp.Header.Get("Content-Type")))
}

func envelopeTypes() []string {
	var types []string
	for _, kind := range envelopeKinds() {
		types = append(types, kind.manifest)
	}
	return types
}

// unacceptable tells whether a registry may have an envelope under a tag, and not show
// it to who does not accept its media type by name: Distribution 2 answers 404 then, or
// makes Docker's first schema of it, which it answers 400 to where it can't.
func unacceptable(resp *http.Response, accept []string) bool {
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusNotAcceptable, http.StatusBadRequest:
	case http.StatusOK:
		if mediaType := bare(resp.Header.Get("Content-Type")); mediaType != oci.MediaTypeDocker1 && mediaType != oci.MediaTypeDocker1Signed {
			return false
		}
	default:
		return false
	}
	// To Distribution 3 even */* is none of them.
	named := strings.Join(accept, ",")
	return slices.ContainsFunc(envelopeTypes(), func(mediaType string) bool { return !strings.Contains(named, mediaType) })
}

// bare returns a media type without its parameters.
func bare(contentType string) string {
	mediaType, _, _ := strings.Cut(contentType, ";")
	return strings.TrimSpace(mediaType)
}
