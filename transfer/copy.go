package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// Request says what to copy.
type Request struct {
	Source, Target Location
	// From and To reach the registries of the two.
	From, To *client.Client
	// Platforms are those of an index to copy, such as linux/arm64/v8; none
	// means the index as it is. One copies the platform's image alone, several
	// an index of them.
	Platforms []string
	// Referrers says that referrers come along: of what is copied those that
	// Filter lets through, of these all, and so on; legacy ones where Filter says so.
	Referrers bool
	Filter    index.Query
	// Concurrency is how many requests are under way at once; 0 means
	// [DefaultConcurrency].
	Concurrency int
	// Watch is told what happens; nil tells nobody.
	Watch Watcher
}

// filtered reports whether a filter leaves referrers out.
func (r Request) filtered() bool {
	return len(r.Filter.ArtifactTypes) > 0 || len(r.Filter.Annotations) > 0
}

// DefaultConcurrency is how many requests of a copy are under way at once. Most of
// the time of a small one is waiting, for the network or for a disk that several
// pushes share the writing to.
const DefaultConcurrency = 8

// Watcher is told of the course of a copy, from several goroutines.
type Watcher interface {
	// Planned is called once, when all is read.
	Planned(Totals)
	// Moved is called as the bytes of blobs arrive.
	Moved(bytes int64)
	// Finished is called for each thing that is in the target.
	Finished(Event)
}

// Totals are what a copy is about.
type Totals struct {
	Manifests int   `json:"manifests"`
	Referrers int   `json:"referrers"`
	Blobs     int   `json:"blobs"`
	Bytes     int64 `json:"bytes"`
}

// Outcome says how something came into the target.
type Outcome string

// The outcomes.
const (
	Copied  Outcome = "copied"
	Mounted Outcome = "mounted"
	Present Outcome = "present"
	// Foreign blobs lie elsewhere and are not copied.
	Foreign Outcome = "foreign"
)

// Event is something that is in the target now.
type Event struct {
	// What is "blob", "manifest", "referrersTag" or "legacyTag".
	What      string        `json:"what"`
	Outcome   Outcome       `json:"outcome"`
	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"mediaType,omitempty"`
	Size      int64         `json:"size,omitempty"`
	// Tag is that of a manifest, a referrers tag, or one of cosign.
	Tag string `json:"tag,omitempty"`
}

// Result is what a copy came to.
type Result struct {
	Digest digest.Digest `json:"digest"`
	Counts
}

// source is where a copy comes from.
type source interface {
	// Resolve returns the manifest that the location names, and the tag by which
	// the source knows it; empty where it was asked for by digest or has none.
	Resolve(ctx context.Context) (client.Manifest, string, error)
	Manifest(ctx context.Context, d ocispec.Descriptor) (client.Manifest, error)
	// Entry returns what an index lists by a media type that may be a blob's, and
	// whether it is a manifest.
	Entry(ctx context.Context, d ocispec.Descriptor) (client.Manifest, bool, error)
	Blob(ctx context.Context, blob ocispec.Descriptor) (io.ReadCloser, error)
	Referrers(ctx context.Context, subject digest.Digest, query index.Query) ([]oci.Descriptor, error)
	// Tags returns all tags, in no order.
	Tags(ctx context.Context) ([]tagged, error)
	// Named returns what a tag names just now.
	Named(ctx context.Context, t tagged) (client.Manifest, error)
	// Listed returns the referrers that a doubtful tag lists or names, or says
	// that it is just a tag. known tells the subject of a manifest that was read.
	Listed(ctx context.Context, t tagged, known func(digest.Digest) (digest.Digest, bool)) (referrers []ocispec.Descriptor, plain bool, err error)
}

// target is where a copy goes to.
type target interface {
	// Prepare fails where the referrers of these subjects can't be made known,
	// before anything is written. It returns what the target lists of them by itself.
	// known tells of manifests to come.
	Prepare(ctx context.Context, subjects []digest.Digest, known knownSubject) (listings, error)
	HasBlob(ctx context.Context, blob ocispec.Descriptor) (bool, error)
	PutBlob(ctx context.Context, blob ocispec.Descriptor, open func() (io.ReadCloser, error)) (Outcome, error)
	HasManifest(ctx context.Context, m client.Manifest, tag string) (bool, error)
	PutManifest(ctx context.Context, m client.Manifest, tag string) error
	// Finish makes the copied manifests and their referrers known.
	Finish(ctx context.Context, done finished) error
	// Tagged returns what has a tag in the target; "" where there is no such tag.
	Tagged(ctx context.Context, tag string) (digest.Digest, error)
	// Standing reads what a tag stands for, which has a digest.
	Standing(ctx context.Context, tag string, sum digest.Digest) (client.Manifest, error)
	// PutTag gives a manifest that is there a tag.
	PutTag(ctx context.Context, m client.Manifest, tag string) error
	// Complete is called once, when all is finished.
	Complete(ctx context.Context) error
	// Close gives the target free, complete or not.
	Close() error
}

// listings are the referrers that a target lists, by their subject. Of a subject
// that isn't among them nothing is known.
type listings map[digest.Digest]map[digest.Digest]bool

// knownSubject tells the subject of a manifest that was read, and whether it was.
type knownSubject func(digest.Digest) (subject digest.Digest, found bool)

// finished is what Finish has to make known.
type finished struct {
	// root is what a layout names, with its tag, where it has one.
	root client.Manifest
	tag  string
	// referrers are the copied ones by their subject.
	referrers map[digest.Digest][]client.Manifest
	// legacy are the tags that the copied legacy referrers get.
	legacy []legacyTag
	event  func(Event)
}

// known tells the subjects of the copied referrers.
func (f finished) known() knownSubject {
	subjects := map[digest.Digest]digest.Digest{}
	for subject, referrers := range f.referrers {
		for _, m := range referrers {
			subjects[m.Digest] = subject
		}
	}
	return func(sum digest.Digest) (digest.Digest, bool) {
		subject, found := subjects[sum]
		return subject, found
	}
}

// Copy carries out a request.
func Copy(ctx context.Context, request Request) (result Result, err error) {
	if request.Concurrency <= 0 {
		request.Concurrency = DefaultConcurrency
	}
	slots := newPool(request.Concurrency)
	src, err := openSource(ctx, request)
	if err != nil {
		return Result{}, err
	}
	root, called, err := resolve(ctx, src, request)
	if err != nil {
		return Result{}, err
	}
	tag, err := chooseTag(request, root, called)
	if err != nil {
		return Result{}, err
	}
	run := &run{shared: newShared(src, nil, request, slots), tag: tag}
	defer func() {
		if run.target != nil {
			err = errors.Join(err, run.target.Close())
		}
	}()
	there, err := run.alreadyThere(ctx, root)
	if err == nil && !there {
		err = run.all(ctx, root)
	}
	result.Counts = run.tally.sum()
	result.Digest = root.Digest
	return result, err
}

// alreadyThere reports whether a registry has all that the copy would bring.
func (r *run) alreadyThere(ctx context.Context, root client.Manifest) (bool, error) {
	if r.request.Target.Kind != Registry {
		return false, nil
	}
	if err := r.open(ctx); err != nil {
		return false, err
	}
	has, err := r.target.HasManifest(ctx, root, r.tag)
	if err != nil || !has {
		return false, err
	}
	_, settled, err := r.settled(ctx, root)
	return settled, err
}

// open opens the target where it is not open yet: a layout is held from then on, so
// not before all is planned.
func (r *run) open(ctx context.Context) error {
	if r.target != nil {
		return nil
	}
	opened, err := openTarget(ctx, r.request, r.pool)
	if err == nil {
		r.target = opened
	}
	return err
}

// all plans the copy of a manifest and carries it out.
func (r *run) all(ctx context.Context, root client.Manifest) (err error) {
	if r.plan, err = newPlan(ctx, r.source, root, false, r.request, r.pool); err != nil {
		return err
	}
	if err := r.open(ctx); err != nil {
		return err
	}
	if r.request.Watch != nil {
		r.request.Watch.Planned(r.plan.totals)
	}
	done, err := r.copy(ctx)
	if err == nil {
		err = r.target.Finish(ctx, done)
	}
	if err == nil {
		err = r.target.Complete(ctx)
	}
	return err
}

// resolve returns the manifest that the source is to be read from, and what the
// source calls it.
func resolve(ctx context.Context, src source, request Request) (client.Manifest, string, error) {
	root, tag, err := src.Resolve(ctx)
	if err == nil {
		root, err = choosePlatforms(ctx, src, root, request.Platforms)
	}
	return root, tag, err
}

// chooseTag returns the tag of the target, else the source's. What a registry
// gets without tag is soon gone, so it has to be asked for by digest.
func chooseTag(request Request, root client.Manifest, tag string) (string, error) {
	switch target := request.Target; {
	case target.Digest != "" && target.Digest != root.Digest:
		return "", fmt.Errorf("the target is to be %s and the source is %s: leave the digest out", target.Digest, root.Digest)
	case target.Tag != "" || target.Digest != "":
		return target.Tag, nil
	case target.Kind != Registry:
		return tag, nil
	case tag == "" && request.Source.Digest == "":
		return "", fmt.Errorf("%s has no tag for what is copied: give the target one, as %s:TAG", request.Source.Path, target.Reference)
	case tag != "" && !validTag(tag):
		return "", fmt.Errorf("%s calls it %s, which no registry takes as tag: give the target one, as %s:TAG", request.Source.Path, client.Printable(tag), target.Reference)
	default:
		return tag, nil
	}
}

func openSource(ctx context.Context, request Request) (source, error) {
	location := request.Source
	if location.Kind == Registry {
		return registrySource{request.From.Repository(location.Reference), location.Reference}, nil
	}
	return openLayoutSource(ctx, location)
}

func openTarget(ctx context.Context, request Request, slots *pool) (target, error) {
	location := request.Target
	switch location.Kind {
	case Layout:
		return openLayoutTarget(ctx, location.Path)
	case Archive:
		return openArchiveTarget(ctx, location.Path)
	default:
		t := newRegistryTarget(request.To.Repository(location.Reference), slots)
		if request.Source.Kind == Registry && request.Source.Reference.Host == location.Reference.Host {
			t.sibling = request.Source.Reference.Repository
		}
		return t, nil
	}
}
