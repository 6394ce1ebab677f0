package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

// TagsRequest says which tags of a repository to copy, each with what it holds.
type TagsRequest struct {
	// Request is about the repository: its locations have no tag or digest, unless
	// One is set, and no platforms are chosen. Its Watch is not told anything.
	Request
	Choice Choice
	// One copies the one manifest that the source names.
	One bool
	// DryRun asks and counts, and changes nothing.
	DryRun bool
	// Follow is told what happens; nil tells nobody.
	Follow TagsWatcher
}

// TagsWatcher is told of the course of a copy of tags.
type TagsWatcher interface {
	// Listed is called once, with the number of tags that are chosen.
	Listed(tags int)
	// Tag is called for each tag that is done, in the order of the list: by
	// name, those that may be lists of referrers last.
	Tag(TagResult)
	// Moved is called as the bytes of blobs arrive, from several goroutines.
	Moved(bytes int64)
}

// The outcomes of tags, besides [Copied] and [Present].
const (
	// Carried tags are hidden tags and referrers tags of the source. What they
	// lead to is in the target, which has its own way to list it.
	Carried Outcome = "carried"
	// Left tags are such ones where no referrers are wanted, and manifests of a
	// layout that have no name.
	Left Outcome = "left"
	// Gone tags were listed, and named nothing when they were read.
	Gone   Outcome = "gone"
	Failed Outcome = "failed"
	// Pending tags were not done when the copy was stopped.
	Pending Outcome = "pending"
)

// TagResult is what came of one tag.
type TagResult struct {
	// Tag is empty for a manifest of a layout that has no name.
	Tag     string        `json:"tag"`
	Outcome Outcome       `json:"outcome"`
	Digest  digest.Digest `json:"digest,omitempty"`
	// Manifests are all that came along, and Referrers those of them that did so
	// for their subject.
	Manifests int    `json:"manifests"`
	Referrers int    `json:"referrers"`
	Error     string `json:"error,omitempty"`
}

// TagsResult is what a copy of tags came to. Of a dry run copied is what would be.
type TagsResult struct {
	Tags map[Outcome]int `json:"tags"`
	Counts
}

// finishing is how many images may wait for their referrers tags to settle while
// others are copied. What is kept of each then is little.
const finishing = 64

// tagsCopy is a copy of tags under way.
type tagsCopy struct {
	*shared
	// planning bounds how many plans are in memory.
	planning chan struct{}
	// images are those that are in the target with their referrers.
	images *memory[image]
	report *inOrder
}

// image is what came along with a manifest.
type image struct {
	manifests, referrers int
	// changed says that the target lacked something.
	changed bool
}

// CopyTags carries out a request. One tag that fails stops no other: the result
// counts it. The error is about all of them: the source can't be listed, say, or
// the copy was stopped.
func CopyTags(ctx context.Context, request TagsRequest) (result TagsResult, err error) {
	if request.Concurrency <= 0 {
		request.Concurrency = DefaultConcurrency
	}
	request.Watch = nil
	if request.Follow != nil {
		request.Watch = movedOnly{request.Follow}
	}
	src, err := openSource(ctx, request.Request)
	if err != nil {
		return TagsResult{}, err
	}
	c := &tagsCopy{
		shared:   newShared(src, nil, request.Request, newPool(request.Concurrency)),
		planning: make(chan struct{}, request.Concurrency), images: newMemory[image](remembered), report: newInOrder(request.Follow),
	}
	tags, one, err := c.list(ctx, request)
	if err != nil {
		return TagsResult{}, err
	}
	if c.target, err = openTagsTarget(ctx, request, c.shared); err != nil {
		return TagsResult{}, err
	}
	defer func() { err = errors.Join(err, c.target.Close()) }()
	if one != nil {
		c.report.done(0, c.result(ctx, one.name, func() (TagResult, error) { return c.put(ctx, one.name, one.root) }))
	} else {
		c.each(ctx, tags)
	}
	// What was copied is named although the rest is not.
	err = c.target.Complete(context.WithoutCancel(ctx))
	if ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return c.sum(), err
}

// alone is a manifest that is copied alone.
type alone struct {
	name string
	root client.Manifest
}

// list returns the tags to copy, or the one manifest.
func (c *tagsCopy) list(ctx context.Context, request TagsRequest) (tags []tagged, one *alone, err error) {
	count := 1
	if request.One {
		root, called, err := resolve(ctx, c.source, request.Request)
		if err != nil {
			return nil, nil, err
		}
		tag, err := chooseTag(request.Request, root, called)
		if err != nil {
			return nil, nil, err
		}
		one = &alone{tag, root}
	} else {
		if tags, err = listTags(ctx, c.source, request.Choice); err != nil {
			return nil, nil, err
		}
		if count = len(tags); count == 0 && len(request.Choice.Tags) > 0 {
			return nil, nil, fmt.Errorf("%s has no tag that is chosen", request.Source)
		}
	}
	c.report.begin(count)
	return tags, one, nil
}

// each copies tags, the doubtful ones when all others are done.
func (c *tagsCopy) each(ctx context.Context, tags []tagged) {
	doubtful := false
	var group errgroup.Group
	group.SetLimit(cap(c.planning) + finishing)
	for i, t := range tags {
		if t.doubtful && !doubtful {
			_ = group.Wait() // no error is returned
			doubtful = true
		}
		ambiguous := !t.doubtful && (i > 0 && tags[i-1].name == t.name || i+1 < len(tags) && !tags[i+1].doubtful && tags[i+1].name == t.name)
		group.Go(func() error {
			c.report.done(i, c.result(ctx, t.name, func() (TagResult, error) {
				switch {
				case ambiguous:
					return TagResult{}, errors.New("several manifests of the layout have this name: copy each by its digest")
				case t.doubtful:
					return c.doubtful(ctx, t)
				default:
					return c.tag(ctx, t)
				}
			}))
			return nil
		})
	}
	_ = group.Wait()
}

// result makes the result of a tag of what its copy returned.
func (c *tagsCopy) result(ctx context.Context, name string, work func() (TagResult, error)) TagResult {
	result := TagResult{Outcome: Pending}
	err := ctx.Err()
	if err == nil {
		result, err = work()
	}
	result.Tag = name
	switch {
	case err == nil:
	case ctx.Err() != nil:
		result.Outcome = Pending
	default:
		result.Outcome, result.Error = Failed, err.Error()
	}
	return result
}

// tag copies what a tag names now, which may be another manifest than when the
// tags were listed.
func (c *tagsCopy) tag(ctx context.Context, t tagged) (TagResult, error) {
	var m client.Manifest
	err := c.pool.do(ctx, func() (err error) {
		m, err = c.source.Named(ctx, t)
		return err
	})
	if errors.Is(err, client.ErrNotFound) {
		return TagResult{Outcome: Gone}, nil
	}
	if err != nil {
		return TagResult{}, err
	}
	return c.put(ctx, t.name, m)
}

// put copies a manifest with its referrers, and gives it a tag when these are
// listed. Whoever finds the tag finds them.
func (c *tagsCopy) put(ctx context.Context, tag string, m client.Manifest) (TagResult, error) {
	result := TagResult{Digest: m.Digest}
	if c.request.Target.Kind == Registry && tag != "" && !validTag(tag) {
		return result, fmt.Errorf("no registry takes %s as tag: copy it by its digest, to a tag", client.Printable(tag))
	}
	var there digest.Digest
	if tag != "" {
		err := c.pool.do(ctx, func() (err error) {
			there, err = c.target.Tagged(ctx, tag)
			return err
		})
		if err != nil {
			return result, err
		}
	}
	if oci.IsCosignTag(tag) {
		var err error
		if m, err = c.keepFuller(ctx, tag, m, there); err != nil {
			return result, err
		}
		if m.Digest != result.Digest {
			return TagResult{Outcome: Present, Digest: m.Digest}, nil
		}
	}
	came, err := c.image(ctx, m, false, there == m.Digest)
	result.Manifests, result.Referrers = came.manifests, came.referrers
	if err != nil {
		return result, err
	}
	result.Outcome = Present
	if came.changed || tag != "" && there != m.Digest {
		result.Outcome = Copied
	}
	if tag == "" || there == m.Digest {
		return result, nil
	}
	return result, c.pool.do(ctx, func() error { return c.target.PutTag(ctx, m, tag) })
}

// doubtful copies what a hidden tag or referrers tag leads to and what has not
// come along with its subject; or the tag, where it is just that.
func (c *tagsCopy) doubtful(ctx context.Context, t tagged) (TagResult, error) {
	known := func(sum digest.Digest) (digest.Digest, bool) { return c.manifests.known(sum.String()) }
	var referrers []ocispec.Descriptor
	var plain bool
	err := c.pool.do(ctx, func() (err error) {
		referrers, plain, err = c.source.Listed(ctx, t, known)
		return err
	})
	result := TagResult{Outcome: Carried, Digest: t.entry.Digest}
	switch {
	case err != nil:
		return result, err
	case plain && t.name != "":
		return c.tag(ctx, t)
	case plain:
		if _, found := known(t.entry.Digest); !found {
			result.Outcome = Left
		}
		return result, nil
	case !c.request.Referrers:
		result.Outcome = Left
		return result, nil
	case c.request.filtered():
		// The filter chooses among the referrers of what has a tag.
		return result, nil
	}
	for _, d := range referrers {
		if _, found := known(d.Digest); found {
			continue
		}
		var m client.Manifest
		err := c.pool.do(ctx, func() (err error) {
			m, err = c.source.Manifest(ctx, d)
			return err
		})
		if err != nil {
			return result, err
		}
		came, err := c.image(ctx, m, true, false)
		if err != nil {
			return result, err
		}
		result.Manifests += came.manifests
		result.Referrers += came.referrers
	}
	return result, nil
}

// image copies a manifest with all that it holds and its referrers, once however
// many tags name it. hint says that the target seems to have it.
func (c *tagsCopy) image(ctx context.Context, m client.Manifest, isReferrer, hint bool) (image, error) {
	came, _, err := c.images.do(ctx, m.Digest.String(), func() (image, error) {
		if hint {
			came, settled, err := c.settled(ctx, m)
			if settled || err != nil {
				return came, err
			}
		}
		done, came, err := c.copyImage(ctx, m, isReferrer)
		if err != nil {
			return came, err
		}
		return came, c.target.Finish(ctx, done)
	})
	return came, err
}

// copyImage plans and copies an image, as one of a few at a time.
func (c *tagsCopy) copyImage(ctx context.Context, m client.Manifest, isReferrer bool) (finished, image, error) {
	select {
	case c.planning <- struct{}{}:
		defer func() { <-c.planning }()
	case <-ctx.Done():
		return finished{}, image{}, ctx.Err()
	}
	plan, err := newPlan(ctx, c.source, m, isReferrer, c.request, c.pool)
	if err != nil {
		return finished{}, image{}, err
	}
	came := image{manifests: plan.totals.Manifests, referrers: plan.totals.Referrers}
	r := &run{shared: c.shared, plan: plan}
	done, err := r.copy(ctx)
	came.changed = r.changed.Load()
	// The tag is put when all else is known.
	done.root = client.Manifest{}
	return done, came, err
}

// sum returns what all came to.
func (c *tagsCopy) sum() TagsResult {
	return TagsResult{Tags: c.report.outcomes(), Counts: c.tally.sum()}
}
