package shim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// Bounds of what is kept: how much a manifest may name, and by how many tags it may be
// pushed at once.
const (
	maxParts = 1000
	maxTags  = 100
)

// pushed is a manifest that the registry refused.
type pushed struct {
	upstream.Target
	as        upstream.Credentials
	named     digest.Digest
	mediaType string
	body      []byte
	// like is a request in the name of who pushed it.
	like *http.Request
}

// push passes a manifest on, and keeps one that the registry refuses. Where it can't be
// kept, because the registry lacks a part of it for instance, the client gets the
// registry's refusal.
func (k kept) push(as upstream.Credentials, req *http.Request, t upstream.Target) (*http.Response, error) {
	if req.GetBody == nil {
		return k.next.Send(as, req)
	}
	again := req.GetBody
	p := &pushed{
		Target: t, as: as.Behind(req).For(t.Repository), mediaType: bare(req.Header.Get("Content-Type")),
		like: upstream.Aside(req, http.MethodPut, req.URL),
	}
	if forged(again) {
		_ = req.Body.Close()
		return upstream.Refusal(p.like, http.StatusBadRequest, oci.CodeManifestInvalid,
			"this is an envelope, by which backref keeps what the registry refuses: push the manifest that is in it; backref envelopes unwrap writes those of a registry out"), nil
	}
	if tag, err := k.taken(p.like.Context(), p, again); tag != "" {
		_ = req.Body.Close()
		if err != nil {
			return upstream.AnswerOf(p.like, err)
		}
		return upstream.Refusal(p.like, http.StatusForbidden, oci.CodeDenied,
			"by the tag "+tag+" backref keeps a manifest that the registry refuses: push under another tag"), nil
	}
	header, err := k.matching(p.like.Context(), p, req.Header)
	if err != nil {
		_ = req.Body.Close()
		return upstream.AnswerOf(p.like, err)
	}
	req.Header = header
	resp, err := k.next.Send(as, req)
	switch {
	case err == nil && upstream.Accepted(resp):
		k.holdBlobs(p, again)
		return resp, nil
	case err != nil || !refused(resp):
		return resp, err
	}
	if err := p.read(again, maxKept); err != nil {
		return resp, nil //nolint:nilerr // The registry's refusal says why.
	}
	err = k.keep(p.like.Context(), p)
	switch {
	case unsure(err):
		// Part of it may be there; what became of the push is not known.
		upstream.Discard(resp)
		return upstream.AnswerOf(p.like, err)
	case err != nil:
		k.Log.Debug("manifest that the registry refuses is not kept", p.fields(zap.Int("status", resp.StatusCode), zap.Error(err))...)
		return resp, nil
	}
	k.Log.Info("manifest is kept that the registry refuses", p.fields(zap.Int("status", resp.StatusCode), zap.Strings("codes", codes(resp)))...)
	upstream.Discard(resp)
	return p.created(), nil
}

// created is the answer to a push of a manifest that is kept. With a tag for each that
// its query names it tells that these stand for it (distribution-spec, "Pushing
// manifests with tags").
func (p *pushed) created() *http.Response {
	header := http.Header{
		"Location":              {manifestURL(p.Repository, p.named.String()).Path},
		"Docker-Content-Digest": {p.named.String()},
	}
	if _, byDigest := p.Digest(); byDigest {
		for _, tag := range p.tags() {
			header.Add("Oci-Tag", tag)
		}
	}
	return upstream.Answer(p.like, http.StatusCreated, header, nil)
}

// tags returns the tags that are to stand for the manifest.
func (p *pushed) tags() []string {
	if _, byDigest := p.Digest(); !byDigest {
		return []string{p.Reference}
	}
	return slices.DeleteFunc(p.like.URL.Query()["tag"], func(tag string) bool { return !oci.ValidTag(tag) })
}

// forged tells whether a client pushes an envelope: what is in it would be served to
// others, and no rule had seen it.
func forged(again func() (io.ReadCloser, error)) bool {
	source, err := again()
	if err != nil {
		return false
	}
	defer func() { _ = source.Close() }()
	start := make([]byte, len(envelopePrefix))
	n, _ := io.ReadFull(source, start)
	return isEnvelope(start[:n])
}

// unsure tells whether it is not known what a registry did, or has.
func unsure(err error) bool {
	var status *upstream.StatusError
	return errors.Is(err, upstream.ErrUnreachable) || errors.Is(err, errAliases) || errors.As(err, &status) && status.Busy()
}

func (p *pushed) fields(more ...zap.Field) []zap.Field {
	return append([]zap.Field{zap.String("repository", p.Repository), zap.Stringer("digest", p.named)}, more...)
}

// refused tells whether a registry refuses a manifest because of what it is.
func refused(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
	case http.StatusInternalServerError:
		// So Distribution refuses layers that are elsewhere, at a URL that it was not told
		// to allow.
		return slices.Contains(codes(resp), "MANIFEST_BLOB_UNKNOWN")
	default:
		return false
	}
	return !slices.ContainsFunc(codes(resp), func(code string) bool {
		return slices.Contains([]string{
			oci.CodeNameInvalid, oci.CodeNameUnknown, oci.CodeTagInvalid, oci.CodeSizeInvalid,
			oci.CodeUnauthorized, oci.CodeDenied, oci.CodeTooManyRequests,
		}, code)
	})
}

// read reads the manifest once more, and makes sure that it is what the client says.
func (p *pushed) read(again func() (io.ReadCloser, error), most int64) error {
	var err error
	if p.body, err = upstream.ReadAgain(again, most); err != nil {
		return err
	}
	p.named = digest.FromBytes(p.body)
	if named, byDigest := p.Digest(); byDigest {
		if named.Algorithm().FromBytes(p.body) != named {
			return errors.New("not of the digest that it is pushed by")
		}
		p.named = named
	}
	return nil
}

// keep keeps a refused manifest. The tag that it was pushed by comes last, so that it
// never stands for what can't be had by its digest.
func (k kept) keep(ctx context.Context, p *pushed) error {
	parts, err := oci.ReadParts(p.body, maxParts)
	if err == nil && parts.Empty() {
		err = oci.ErrParts
	}
	if err == nil && len(p.tags()) > maxTags {
		err = errors.New("pushed by more tags than it is kept under")
	}
	if err != nil {
		return err
	}
	if p.mediaType == "" {
		p.mediaType = parts.MediaType
	}
	if err := k.free(ctx, p); err != nil {
		return err
	}
	blobs, err := k.blobs(ctx, p, parts)
	if err != nil {
		return err
	}
	if foreign(p.named) && len(p.tags()) == 0 && !renamed(blobs) {
		// It may be the digest alone that the registry does not know. A tag would have it
		// by the registry's digest then.
		if err := k.put(ctx, p, oci.KeptTag(p.named), p.mediaType, p.body); err == nil || unsure(err) {
			return err
		}
	}
	if err := k.children(ctx, p, parts); err != nil {
		return err
	}
	return k.wrap(ctx, p, blobs, p.tags())
}

// free makes sure that the kept tag of a manifest stands for that, or for nothing: what
// is under it otherwise is somebody else's.
func (k kept) free(ctx context.Context, p *pushed) error {
	_, err := k.find(ctx, p.as, p.Repository, p.named)
	if !errors.Is(err, upstream.ErrNotFound) {
		return err
	}
	_, err = k.next.Resolve(ctx, p.as, p.Repository, oci.KeptTag(p.named))
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return nil
	case err == nil:
		return fmt.Errorf("the tag %s stands for something else", oci.KeptTag(p.named))
	default:
		return err
	}
}

// wrap pushes an envelope, as the first kind that the registry takes, after what is in
// it: under the kept tag, and under the tags given.
func (k kept) wrap(ctx context.Context, p *pushed, blobs []envelopeBlob, tags []string) error {
	e := envelope{Named: p.named, Kept: digest.FromBytes(p.body), MediaType: p.mediaType, Size: int64(len(p.body)), Blobs: blobs}
	for _, blob := range [][]byte{p.body, []byte(envelopeConfig)} {
		if err := k.next.PutBlob(ctx, p.as, p.Repository, blob); err != nil {
			return err
		}
	}
	var refusals error
	for _, kind := range envelopeKinds() {
		body, err := e.encode(kind)
		if err == nil {
			// What can't be opened again would be lost.
			_, err = decodeEnvelope(body)
		}
		if err != nil {
			return err
		}
		if err = k.put(ctx, p, oci.KeptTag(p.named), kind.manifest, body); err == nil {
			for _, tag := range tags {
				err = errors.Join(err, k.put(ctx, p, tag, kind.manifest, body))
			}
			return err
		}
		if unsure(err) {
			return err
		}
		refusals = errors.Join(refusals, err)
	}
	return refusals
}

func (k kept) put(ctx context.Context, p *pushed, tag, mediaType string, body []byte) error {
	return k.next.PutManifest(ctx, p.as, p.Repository, tag, mediaType, body)
}

// blobs returns the blobs that an envelope holds, each once: those of the manifest, but
// for layers that need not be in a registry and aren't in this one. Whether the others
// are there the registry says when it is given the envelope.
func (k kept) blobs(ctx context.Context, p *pushed, all oci.Parts) ([]envelopeBlob, error) {
	var blobs []envelopeBlob
	seen := map[digest.Digest]bool{}
	for _, named := range all.AllBlobs() {
		if seen[named.Digest] {
			continue
		}
		seen[named.Digest] = true
		if elsewhere(named.MediaType) {
			has, err := k.next.HasBlob(ctx, p.as, p.Repository, named.Digest)
			if err != nil {
				return nil, err
			}
			if !has {
				continue
			}
		}
		blob := envelopeBlob{Named: named.Digest, Kept: named.Digest, Size: named.Size}
		if k.aliases != nil && foreign(named.Digest) {
			alias, err := k.aliases.Alias(ctx, p.Repository, named.Digest)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errAliases, err)
			}
			if alias != "" {
				blob.Kept = alias
			}
		}
		blobs = append(blobs, blob)
	}
	return blobs, nil
}

// elsewhere tells whether a layer need not be in the registry (image-spec,
// "Non-Distributable Layers").
func elsewhere(mediaType string) bool {
	return strings.Contains(mediaType, ".nondistributable.") || strings.HasPrefix(mediaType, "application/vnd.docker.image.rootfs.foreign.")
}

// children makes sure that the manifests are there that an index names: a registry may
// refuse one for what is missing, and that is no lack of the registry's.
func (k kept) children(ctx context.Context, p *pushed, all oci.Parts) error {
	for _, child := range all.Manifests {
		if err := k.has(ctx, p, child.Digest); err != nil {
			return fmt.Errorf("manifest %s, which it names: %w", child.Digest, err)
		}
	}
	return nil
}

// has returns no error where a manifest is there: the registry's own, else one that is
// kept.
func (k kept) has(ctx context.Context, p *pushed, child digest.Digest) error {
	_, err := k.next.Resolve(ctx, p.as, p.Repository, child.String())
	var status *upstream.StatusError
	if errors.Is(err, upstream.ErrNotFound) || errors.As(err, &status) && (status.Status == http.StatusBadRequest || unreadable(status.Status)) {
		_, err = k.find(ctx, p.as, p.Repository, child)
	}
	return err
}
