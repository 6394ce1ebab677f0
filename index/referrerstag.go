package index

import (
	"context"
	"errors"
	"fmt"

	"github.com/backref/backref/oci"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// AnnotationSubject on the index behind a referrers tag names the subject, in
// full. The mirror writes it, so that its index can be told for what it is also
// when all that it lists has gone.
const AnnotationSubject = "com.github.backref.subject"

// TagKind says what stands behind a tag that has the form of a referrers tag.
type TagKind uint8

// The kinds of tags.
const (
	// TagAbsent is a tag that the registry has not.
	TagAbsent TagKind = iota
	// TagReferrers stands for a list of referrers of exactly one subject.
	TagReferrers
	// TagOther stands for anything else, and is just a tag: mirroring tools
	// tag images with their own digests in that form.
	TagOther
)

// TagMeaning is what stands behind a tag that has the form of a referrers tag.
type TagMeaning struct {
	Kind TagKind
	// Digest is that of the manifest behind the tag; empty where there is none
	// or it is not known.
	Digest digest.Digest
	// Subject is whose referrers [TagReferrers] lists: it is not in the tag,
	// which may be cut.
	Subject digest.Digest
	// List is the manifest behind the tag, as far as it was read.
	List Manifest
	// Referrers are the entries of an image index that have a subject with this
	// tag, whatever the kind: each speaks for itself.
	Referrers []Manifest
	// Gone are the entries that the registry has not. They prove nothing.
	Gone []digest.Digest
	// Reason is why it is [TagOther], in words for an operator.
	Reason string
}

// ManifestReader reads a manifest of one repository by tag or digest. An error
// matches [ErrNotFound] where there is none, and [ErrManifest] where what is
// there can't be read as one; what was read of it may come with that. Every
// other error says that nothing is known. It is called concurrently.
type ManifestReader func(ctx context.Context, reference string) (Manifest, error)

// JudgeTag tells what stands behind a tag that has the form of a referrers tag
// (distribution-spec, "Referrers Tag Schema"). It is a list of referrers only
// where that is shown: it is an OCI image index without a subject and not what
// the tag is named after, all its entries that are there are manifests with one
// and the same subject, whose tag this is, and there is such an entry, or
// [AnnotationSubject] names the subject.
//
// It reads at most so many entries at once. An error is one of read, that says
// that nothing is known: then there is no judgement.
func JudgeTag(ctx context.Context, tag string, read ManifestReader, concurrency int) (TagMeaning, error) {
	list, err := read(ctx, tag)
	meaning := TagMeaning{Kind: TagOther, Digest: list.Digest, List: list}
	switch {
	case errors.Is(err, ErrNotFound):
		return TagMeaning{Kind: TagAbsent}, nil
	case errors.Is(err, ErrManifest):
		meaning.Reason = err.Error()
		return meaning, nil
	case err != nil:
		return TagMeaning{}, fmt.Errorf("read tag %s: %w", tag, err)
	}
	if meaning.Reason = otherThanList(tag, list); meaning.Reason != "" {
		return meaning, nil
	}
	entries, err := readEntries(ctx, list, read, concurrency)
	if err != nil {
		return TagMeaning{}, fmt.Errorf("read what tag %s lists: %w", tag, err)
	}
	meaning.weigh(tag, entries)
	return meaning, nil
}

// otherThanList says why a manifest is no list of referrers, whatever it lists.
func otherThanList(tag string, list Manifest) string {
	switch {
	case oci.ReferrersTag(list.Digest) == tag:
		return "it stands for the very manifest that it is named after"
	case list.MediaType != oci.MediaTypeImageIndex:
		return fmt.Sprintf("it stands for a manifest of type %q, no image index", list.MediaType)
	case list.Subject() != "":
		return "it stands for an image index that is a referrer itself"
	default:
		return ""
	}
}

// tagEntry is what an image index lists, as the registry has it.
type tagEntry struct {
	digest   digest.Digest
	manifest Manifest
	gone     bool
	// reason is why it is no manifest.
	reason string
}

func readEntries(ctx context.Context, list Manifest, read ManifestReader, concurrency int) ([]tagEntry, error) {
	entries := make([]tagEntry, len(list.Edges))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, concurrency))
	for i, edge := range list.Edges {
		entry := &entries[i]
		entry.digest = edge.Target
		if edge.Kind != EdgeManifest {
			entry.reason = "it lists " + edge.Target.String() + ", which is a blob"
			continue
		}
		group.Go(func() (err error) {
			entry.manifest, err = read(ctx, edge.Target.String())
			switch {
			case errors.Is(err, ErrNotFound):
				entry.gone = true
			case errors.Is(err, ErrManifest):
				entry.reason = "it lists " + edge.Target.String() + ", which can't be read: " + err.Error()
			default:
				return err
			}
			return nil
		})
	}
	return entries, group.Wait()
}

// weigh decides by the entries.
func (m *TagMeaning) weigh(tag string, entries []tagEntry) {
	if claimed := digest.Digest(m.List.Annotations[AnnotationSubject]); oci.CheckDigest(claimed) == nil && oci.ReferrersTag(claimed) == tag {
		m.Subject = claimed
	}
	for _, entry := range entries {
		subject := entry.manifest.Subject()
		if entry.gone {
			m.Gone = append(m.Gone, entry.digest)
			continue
		}
		reason := entry.reason
		switch {
		case reason != "":
		case subject == "":
			reason = "it lists " + entry.digest.String() + ", which has no subject"
		case oci.ReferrersTag(subject) != tag:
			reason = "it lists " + entry.digest.String() + ", whose subject is " + subject.String()
		default:
			m.Referrers = append(m.Referrers, entry.manifest)
			if m.Subject == "" {
				m.Subject = subject
			}
			if m.Subject != subject {
				reason = "it is about " + m.Subject.String() + " and lists " + entry.digest.String() + ", whose subject is " + subject.String()
			}
		}
		if m.Reason == "" {
			m.Reason = reason
		}
	}
	switch {
	case m.Reason != "":
	case m.Subject == "":
		m.Reason = "nothing that it lists is there to say what it is"
	default:
		m.Kind = TagReferrers
		return
	}
	m.Subject = ""
}
