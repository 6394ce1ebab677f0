package trust

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/trust/claim"
)

// statement is one signature as it was read, of whatever format.
type statement interface {
	// claimed returns what it says of itself.
	claimed() claim.Claim
	// elsewhere returns the doubt about a signature of something else than the
	// subject; nil where it says that it is of the subject.
	elsewhere(subject digest.Digest) *doubt
	// provedBy returns the proof that a signer made it about the subject, or why there
	// is none.
	provedBy(ctx context.Context, s *signer, subject oci.Descriptor) (proof, *doubt)
}

// ofAnother is the doubt about a signature of another digest.
func ofAnother(digests ...digest.Digest) *doubt {
	if len(digests) == 0 {
		return &doubt{"the signature names no digest that it is of", weightOther}
	}
	return &doubt{fmt.Sprintf("the signature is of another digest: %s", digests[0]), weightOther}
}

// unreadable is the doubt about what is no signature of its format.
func unreadable(format string, err error) *doubt {
	return &doubt{fmt.Sprintf("is no %s that can be read: %v", format, err), weightUnreadable}
}

// read reads the signature in a layer. The doubt is about what can't be one; an
// error says that it could not be read.
func (j *judgement) read(ctx context.Context, l layer) (statement, *doubt, error) {
	if err := l.Digest.Validate(); err != nil || l.Size < 0 {
		return nil, unreadable(l.format, fmt.Errorf("its descriptor has the digest %q and the size %d", l.Digest, l.Size)), nil
	}
	if l.Size > j.options.MaxSize {
		return nil, &doubt{fmt.Sprintf("the signature has %d bytes, of which verify.maxSize allows %d", l.Size, j.options.MaxSize), weightClose}, nil
	}
	blob, err := readBlob(ctx, j.src, oci.Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size})
	if err != nil {
		return nil, nil, err
	}
	var read statement
	var failure error
	looked := guarded(func() (proof, *doubt) {
		read, failure, err = j.parse(ctx, l, blob)
		if failure != nil {
			return proof{}, unreadable(l.format, failure)
		}
		return proof{}, nil
	})
	return read, looked.doubt, err
}

// parse reads the signature in the content of a layer. failure says that it is none;
// err that what is needed beside it could not be read.
func (j *judgement) parse(ctx context.Context, l layer, blob []byte) (read statement, failure, err error) {
	switch l.format {
	case claim.FormatNotation:
		if err := j.describeSubject(ctx); err != nil {
			return nil, nil, err
		}
		read, failure = parseNotation(l.MediaType, blob)
	case claim.FormatBundle:
		parsed, failure := parseBundle(blob)
		if failure != nil {
			return nil, failure, nil
		}
		if parsed.message != nil {
			if err := j.readSubject(ctx); err != nil {
				return nil, nil, err
			}
			parsed.signs(j.subject.Digest, j.body)
		}
		return parsed, nil, nil
	case claim.FormatCosign:
		read, failure = parseCosign(l.Annotations, blob)
	default:
		read, failure = parseEnvelope(l.Annotations, blob)
	}
	return read, failure, err
}

// describeSubject makes sure that media type and size of the subject are known,
// which notation signs too.
func (j *judgement) describeSubject(ctx context.Context) error {
	if j.subject.MediaType != "" && j.subject.Size > 0 {
		return nil
	}
	return j.readSubject(ctx)
}

// readSubject reads the manifest of the subject, once.
func (j *judgement) readSubject(ctx context.Context) error {
	if j.body != nil {
		return nil
	}
	mediaType, body, err := readManifest(ctx, j.src, j.subject.Digest)
	if err != nil {
		return err
	}
	j.body, j.subject.MediaType, j.subject.Size = body, mediaType, int64(len(body))
	return nil
}
