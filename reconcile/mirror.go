package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/upstream"
)

const (
	// mirrorInterval is how often the outbox is looked at.
	mirrorInterval = 500 * time.Millisecond
	mirrorPage     = 100
	// Bounds of the time that a tag rests which could not be written.
	minMirrorDelay = 2 * time.Second
	maxMirrorDelay = 10 * time.Minute
)

// Mirror keeps the referrers tags upstream equal to the listings, so that
// clients that bypass backref see the referrers and garbage collection keeps
// them. It is the one writer of these tags beside such clients; what they
// have added is taken over before a tag is written.
type Mirror struct {
	store  index.Maintainer
	source *Source
	// own keeps all other writers of this process from a tag.
	own     func(ctx context.Context, repository, tag string) (release func(), err error)
	log     *zap.Logger
	resting map[tagName]rest
	waiting prometheus.Gauge
	written *prometheus.CounterVec
}

type tagName struct {
	repository, tag string
}

// NewMirror returns a mirror. own keeps all other writers of this process from
// a tag while it is written. The metrics are registered with metrics unless
// that is nil.
func NewMirror(store index.Maintainer, source *Source, own func(ctx context.Context, repository, tag string) (release func(), err error),
	log *zap.Logger, metrics *prometheus.Registry,
) *Mirror {
	m := &Mirror{
		store: store, source: source, own: own, log: log, resting: map[tagName]rest{},
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "backref_mirror_resting", Help: "Referrers tags that could not be written and are tried again later.",
		}),
		written: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "backref_mirror_tags_total", Help: "Referrers tags looked at for the mirror, by result: written, unchanged, or failed.",
		}, []string{"result"}),
	}
	if metrics != nil {
		metrics.MustRegister(m.waiting, m.written)
	}
	return m
}

// Run turns the outbox on, which enters all listings where it was off, and
// writes what has changed until ctx ends.
func (m *Mirror) Run(ctx context.Context) {
	ticker := time.NewTicker(mirrorInterval)
	defer ticker.Stop()
	on := false
	for {
		if !on {
			err := m.store.SetOutbox(ctx, true)
			if on = err == nil; !on && ctx.Err() == nil {
				m.log.Error("the mirror of referrers tags can't start", zap.Error(err))
			}
		} else if err := m.Pass(ctx); err != nil && ctx.Err() == nil {
			m.log.Error("the outbox of referrers tags can't be read", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Pass writes every tag whose listing has changed and that does not rest. Its
// error is one of the store.
func (m *Mirror) Pass(ctx context.Context) error {
	for after := uint64(0); ; {
		changes, err := m.store.Changed(ctx, after, mirrorPage)
		if err != nil {
			return err
		}
		for _, change := range changes {
			after = change.Number
			if err := m.one(ctx, change); err != nil {
				return err
			}
		}
		if len(changes) < mirrorPage {
			m.waiting.Set(float64(len(m.resting)))
			return nil
		}
	}
}

// one writes the tag of a listing, or lets it rest.
func (m *Mirror) one(ctx context.Context, change index.Change) error {
	name := tagName{change.Repository, index.ReferrersTag(change.Subject)}
	now := m.source.now()
	resting, rests := m.resting[name]
	if rests && now.Before(resting.until) {
		return nil
	}
	result, err := m.write(ctx, change.Repository, change.Subject)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		resting.delay = min(max(2*resting.delay, minMirrorDelay), maxMirrorDelay)
		resting.until = now.Add(resting.delay)
		m.resting[name] = resting
		m.written.WithLabelValues("failed").Inc()
		m.log.Warn("referrers tag can't be written yet", zap.String("repository", name.repository), zap.String("tag", name.tag),
			zap.Stringer("subject", change.Subject), zap.Duration("restsFor", resting.delay), zap.Error(err))
		return nil
	}
	delete(m.resting, name)
	m.written.WithLabelValues(result).Inc()
	return m.store.Written(ctx, change)
}

// write makes the tag equal to the listing.
func (m *Mirror) write(ctx context.Context, repository string, subject digest.Digest) (result string, err error) {
	tag := index.ReferrersTag(subject)
	release, err := m.own(ctx, repository, tag)
	if err != nil {
		return "", err
	}
	defer release()
	current, err := m.source.importTag(ctx, m.store, repository, tag)
	if err != nil {
		return "", err
	}
	body, entries, err := m.listing(ctx, repository, subject, nil)
	if err != nil {
		return "", err
	}
	if current == "" && entries == 0 || current == digest.FromBytes(body) {
		return "unchanged", nil
	}
	err = m.put(ctx, repository, tag, body)
	var status *upstream.StatusError
	if errors.As(err, &status) && (status.Status == http.StatusBadRequest || status.Status == http.StatusNotFound) {
		// Registries refuse an index that lists what they have not got.
		body, err = m.writePresent(ctx, repository, subject, err)
	}
	if err != nil {
		return "", err
	}
	if current != "" && current != digest.FromBytes(body) {
		m.dropOld(ctx, repository, current)
	}
	return "written", nil
}

// dropOld deletes the image index that a tag stood for before. A registry that
// allows no deletes keeps it until its garbage collection.
func (m *Mirror) dropOld(ctx context.Context, repository string, old digest.Digest) {
	if err := m.source.registry.DeleteManifest(ctx, m.source.as, repository, old); err != nil {
		m.log.Debug("old index of a referrers tag is left", zap.String("repository", repository), zap.Stringer("digest", old), zap.Error(err))
	}
}

// writePresent writes the tag without the referrers that the registry has not
// got just now; they stay in the index until a verification drops them.
func (m *Mirror) writePresent(ctx context.Context, repository string, subject digest.Digest, refusal error) (body []byte, err error) {
	left := 0
	body, _, err = m.listing(ctx, repository, subject, func(referrer digest.Digest) (bool, error) {
		present, err := m.source.has(ctx, index.Key{Repository: repository, Digest: referrer})
		if !present {
			left++
		}
		return present, err
	})
	switch {
	case err != nil:
		return nil, err
	case left == 0:
		return nil, refusal
	}
	return body, m.put(ctx, repository, index.ReferrersTag(subject), body)
}

// listing returns the image index of a listing, and how many entries it has.
// take selects the referrers; nil takes all.
func (m *Mirror) listing(ctx context.Context, repository string, subject digest.Digest,
	take func(digest.Digest) (bool, error),
) (body []byte, entries int, err error) {
	doc := struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		Manifests     []json.RawMessage `json:"manifests"`
	}{2, index.MediaTypeImageIndex, []json.RawMessage{}}
	size := 0
	for query := (index.Query{Limit: recordsPage}); ; {
		page, err := m.store.Referrers(ctx, repository, subject, query)
		if err != nil {
			return nil, 0, err
		}
		for _, referrer := range page.Referrers {
			query.After = referrer.Digest
			if take != nil {
				if taken, err := take(referrer.Digest); err != nil {
					return nil, 0, err
				} else if !taken {
					continue
				}
			}
			if size += len(referrer.Descriptor); int64(size) > int64(m.source.limits.ManifestSize) {
				return nil, 0, fmt.Errorf("the referrers of %s in %s do not fit into one index of %s", subject, repository, m.source.limits.ManifestSize)
			}
			doc.Manifests = append(doc.Manifests, referrer.Descriptor)
		}
		if !page.More {
			break
		}
	}
	body, err = json.Marshal(doc)
	return body, len(doc.Manifests), err
}

func (m *Mirror) put(ctx context.Context, repository, tag string, body []byte) error {
	_, err := ask(ctx, m.source, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, m.source.registry.PutManifest(ctx, m.source.as, repository, tag, index.MediaTypeImageIndex, body)
	})
	return err
}
