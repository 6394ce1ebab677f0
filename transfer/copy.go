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
	// Filter lets through, of these all, and so on.
	Referrers bool
	Filter    index.Query
	// Concurrency is how many requests are under way at once; 0 means
	// [DefaultConcurrency].
	Concurrency int
	// Watch is told what happens; nil tells nobody.
	Watch Watcher
}

// DefaultConcurrency is how many requests of a copy are under way at once.
const DefaultConcurrency = 4

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
	// What is "blob", "manifest" or "referrersTag".
	What      string        `json:"what"`
	Outcome   Outcome       `json:"outcome"`
	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"mediaType,omitempty"`
	Size      int64         `json:"size,omitempty"`
	// Tag is that of a manifest or referrers tag.
	Tag string `json:"tag,omitempty"`
}

// Result is what a copy came to.
type Result struct {
	Digest        digest.Digest   `json:"digest"`
	Manifests     map[Outcome]int `json:"manifests"`
	Blobs         map[Outcome]int `json:"blobs"`
	Bytes         int64           `json:"bytes"`
	Referrers     int             `json:"referrers"`
	ReferrersTags int             `json:"referrersTags"`
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
}

// target is where a copy goes to.
type target interface {
	// Prepare fails where the referrers of these subjects can't be made known,
	// before anything is written.
	Prepare(ctx context.Context, subjects []digest.Digest) error
	HasBlob(ctx context.Context, blob ocispec.Descriptor) (bool, error)
	PutBlob(ctx context.Context, blob ocispec.Descriptor, open func() (io.ReadCloser, error)) (Outcome, error)
	HasManifest(ctx context.Context, m client.Manifest, tag string) (bool, error)
	PutManifest(ctx context.Context, m client.Manifest, tag string) error
	// Finish makes the copied manifests and their referrers known.
	Finish(ctx context.Context, done finished) error
	Close() error
}

// finished is what Finish has to make known.
type finished struct {
	root client.Manifest
	tag  string
	// referrers are the copied ones by their subject.
	referrers map[digest.Digest][]client.Manifest
	event     func(Event)
}

// Copy carries out a request.
func Copy(ctx context.Context, request Request) (result Result, err error) {
	if request.Concurrency <= 0 {
		request.Concurrency = DefaultConcurrency
	}
	src, err := openSource(ctx, request)
	if err != nil {
		return Result{}, err
	}
	plan, err := newPlan(ctx, src, request)
	if err != nil {
		return Result{}, err
	}
	tag, err := chooseTag(request, plan.tag)
	if err != nil {
		return Result{}, err
	}
	if sum := request.Target.Digest; sum != "" && sum != plan.root.manifest.Digest {
		return Result{}, fmt.Errorf("the target is to be %s and the source is %s: leave the digest out", sum, plan.root.manifest.Digest)
	}
	dst, err := openTarget(ctx, request)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	run := newRun(src, dst, request, plan, tag)
	err = run.do(ctx)
	return run.result, err
}

// chooseTag returns the tag of the target, else the source's. What a registry
// gets without tag is soon gone, so it has to be asked for by digest.
func chooseTag(request Request, tag string) (string, error) {
	switch target := request.Target; {
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

func openTarget(ctx context.Context, request Request) (target, error) {
	location := request.Target
	switch location.Kind {
	case Layout:
		return openLayoutTarget(ctx, location.Path)
	case Archive:
		return openArchiveTarget(ctx, location.Path)
	default:
		t := &registryTarget{repository: request.To.Repository(location.Reference), concurrency: request.Concurrency}
		if request.Source.Kind == Registry && request.Source.Reference.Host == location.Reference.Host {
			t.sibling = request.Source.Reference.Repository
		}
		return t, nil
	}
}
