package registry

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
)

// maxPlatforms is how many of the images that an index lists are looked at to
// know when it was made.
const maxPlatforms = 64

// Notes is an index that keeps when images were made, so that what says so is
// read once.
type Notes interface {
	Records
	// Made and SetMade are those of [index.Store].
	Made(ctx context.Context, repository string, manifests []digest.Digest) (map[digest.Digest]time.Time, error)
	SetMade(ctx context.Context, repository string, made map[digest.Digest]time.Time) error
}

// Made tells when manifests of a repository were made, by all that index/made.go
// names: the zero Time where nothing tells. What is not noted yet is read, as
// many at once as the limits allow, and noted. Where the registry can't be asked
// the error says so, and what could be told is noted and returned all the same.
//
// What is read is named by its digest and believed for that alone; it is read
// in the repository, as who asks. What is not to be had is asked for again the
// next time.
func (r *Reader) Made(ctx context.Context, notes Notes, repository string, manifests []index.Manifest) (map[digest.Digest]time.Time, error) {
	made := make(map[digest.Digest]time.Time, len(manifests))
	var asked []digest.Digest
	for _, m := range manifests {
		if m.MadeElsewhere() {
			asked = append(asked, m.Digest)
		} else {
			made[m.Digest] = index.StatedMade(m.Annotations)
		}
	}
	if len(asked) == 0 {
		return made, nil
	}
	noted, err := notes.Made(ctx, repository, asked)
	if err != nil {
		return made, err
	}
	d := dating{reader: r, notes: notes, repository: repository, made: made, found: map[digest.Digest]time.Time{}}
	// What can't be had of one image takes nothing from the others.
	group := errgroup.Group{}
	group.SetLimit(max(1, r.Limits().Concurrency))
	for _, m := range manifests {
		if at, known := noted[m.Digest]; known {
			d.tell(m.Digest, at, false)
		} else if m.MadeElsewhere() {
			group.Go(func() error { return d.one(ctx, m) })
		}
	}
	err = group.Wait()
	if len(d.found) > 0 {
		err = errors.Join(err, notes.SetMade(context.WithoutCancel(ctx), repository, d.found))
	}
	return made, err
}

// dating is one call of [Reader.Made].
type dating struct {
	reader     *Reader
	notes      Notes
	repository string

	mutex sync.Mutex
	made  map[digest.Digest]time.Time
	// found is what is to be noted.
	found map[digest.Digest]time.Time
}

func (d *dating) tell(manifest digest.Digest, at time.Time, lasting bool) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.made[manifest] = at
	if lasting {
		d.found[manifest] = at
	}
}

// one finds out when an image or an index was made.
func (d *dating) one(ctx context.Context, m index.Manifest) error {
	find := d.ofIndex
	if m.ImageConfig() != "" {
		find = d.ofImage
	}
	at, lasting, err := find(ctx, m)
	if err == nil {
		d.tell(m.Digest, at, lasting)
	}
	return err
}

// ofImage reads the config of an image. What it is found to say is lasting,
// unless it was not to be had.
func (d *dating) ofImage(ctx context.Context, m index.Manifest) (at time.Time, lasting bool, err error) {
	config, err := d.reader.Blob(ctx, d.repository, m.ImageConfig())
	switch OutcomeOf(err) {
	case OutcomeRead:
		return index.ConfigMade(config), true, nil
	case OutcomeUnknown:
		return time.Time{}, false, err
	default:
		return time.Time{}, false, nil
	}
}

// ofIndex returns when the latest of the images was made that an index lists.
func (d *dating) ofIndex(ctx context.Context, m index.Manifest) (latest time.Time, lasting bool, err error) {
	listed := m.Manifests()
	listed = listed[:min(len(listed), maxPlatforms)]
	noted, err := d.notes.Made(ctx, d.repository, listed)
	if err != nil {
		return time.Time{}, false, err
	}
	whole := true
	for _, image := range listed {
		at, known := noted[image]
		if !known {
			var had bool
			if at, had, err = d.ofListed(ctx, image); err != nil {
				return time.Time{}, false, err
			}
			whole = whole && had
		}
		if at.After(latest) {
			latest = at
		}
	}
	// An index of which some images are missing has what the others say.
	return latest, whole || !latest.IsZero(), nil
}

// ofListed finds out when an image was made that an index lists.
func (d *dating) ofListed(ctx context.Context, name digest.Digest) (at time.Time, had bool, err error) {
	m, err := d.manifest(ctx, name)
	switch OutcomeOf(err) {
	case OutcomeRead:
	case OutcomeUnknown:
		return time.Time{}, false, err
	default:
		return time.Time{}, false, nil
	}
	if at := index.StatedMade(m.Annotations); !at.IsZero() || m.ImageConfig() == "" {
		return at, true, nil
	}
	if at, had, err = d.ofImage(ctx, m); had {
		d.mutex.Lock()
		defer d.mutex.Unlock()
		d.found[name] = at
	}
	return at, had, err
}

// manifest returns what the index knows of a manifest, or else reads it.
func (d *dating) manifest(ctx context.Context, name digest.Digest) (index.Manifest, error) {
	record, err := d.notes.Get(ctx, d.repository, name)
	if !errors.Is(err, index.ErrNotFound) {
		return record.Manifest, err
	}
	found, err := d.reader.Manifest(ctx, d.repository, name.String())
	return found.Manifest, err
}

// Made tells when what some records are of was made: see [Reader.Made]. What it
// reads is read as the caller, who has to be permitted, and of all callers
// together as much at once as for one question.
func (r *Registry) Made(ctx context.Context, caller *Caller, records map[digest.Digest]index.Record) (map[digest.Digest]time.Time, error) {
	if len(records) == 0 {
		return nil, nil
	}
	if !caller.Permitted() {
		return nil, errNoGrant
	}
	manifests := make([]index.Manifest, 0, len(records))
	for _, record := range records {
		manifests = append(manifests, record.Manifest)
	}
	reader := r.reader(caller)
	reader.Ask = r.askInTurn
	return reader.Made(ctx, r.store, caller.repository, manifests)
}

// askInTurn is the Ask of a [Reader] that waits for its turn.
func (r *Registry) askInTurn(ctx context.Context, question func(context.Context) error) error {
	leave, err := r.dating.take(ctx, 1)
	if err != nil {
		return err
	}
	defer leave()
	return question(ctx)
}
