package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// What hidden tags cost: pushes through backref with and without them, and the
// lists of tags among which they are.
const (
	hiddenManifests = "hidden/manifests"
	hiddenAttach    = "hidden/attach"
	hiddenTagLists  = "hidden/tags"

	hiddenRepository = "bench/hidden"
	plainRepository  = "bench/plain"

	withoutHidden = "backref, no hidden tags"
	directByTag   = "Distribution 2.8 directly, by tag"

	// hiddenClients push at once.
	hiddenClients = 16
	// listedTags and referrersOfEach are what the lists of tags are about.
	listedTags      = 1000
	referrersOfEach = 10
)

func hiddenFamily() family {
	return family{cases: []string{hiddenManifests, hiddenAttach, hiddenTagLists}, prepare: prepareHidden}
}

// hidden are the measurements of hidden tags.
type hidden struct {
	*stage
	registry, with, without *server
	// backrefs are those with hidden tags.
	backrefs []peer
	run      atomic.Int64
}

func prepareHidden(ctx context.Context, s *stage) ([]comparison, error) {
	h := &hidden{stage: s}
	var err error
	if h.registry, err = s.registry(distribution2); err != nil {
		return nil, err
	}
	for _, of := range s.builds() {
		started, err := s.startBuild(of, "backref", h.registry.url, filepath.Join(s.dir, "backref"+of.suffix+".db"))
		if err != nil {
			return nil, err
		}
		h.backrefs = append(h.backrefs, peer{name: of.contender(backrefName), server: started})
	}
	h.with = h.backrefs[0].server
	if h.without, err = s.startBackref("backref-plain", h.registry.url, filepath.Join(s.dir, "plain.db"), "referrers.hiddenTags=false"); err != nil {
		return nil, err
	}
	for _, repository := range []string{pushRepository, hiddenRepository, plainRepository} {
		if err := newClient().pushEmpty(ctx, h.registry.url, repository); err != nil {
			return nil, err
		}
	}
	comparisons := []comparison{h.manifests(), h.attach()}
	if s.scenario.MatchString(hiddenTagLists) {
		if err := h.fill(ctx); err != nil {
			return nil, err
		}
	}
	return append(comparisons, h.tagLists()), nil
}

// manifests pushes referrers to many subjects.
func (h *hidden) manifests() comparison {
	made := comparison{
		name: hiddenManifests, about: fmt.Sprintf("Referrers pushed by %d clients at once to many subjects.", hiddenClients),
		metrics: []string{metricPushes, metricP50, metricP99}, bases: []string{directByTag, direct2}, warm: true,
	}
	for _, c := range h.peers() {
		made.contenders = append(made.contenders, contender{name: c.name, measure: func(ctx context.Context, duration time.Duration) (sample, error) {
			return h.push(ctx, duration, func(ctx context.Context, client *client, m rig.Manifest) error {
				_, err := client.pushManifest(ctx, c.server.url, pushRepository, c.tag(m), m)
				return err
			})
		}})
	}
	return made
}

// peers are those that are pushed to.
func (h *hidden) peers() []peer {
	return slices.Concat(
		[]peer{{name: direct2, server: h.registry}, {name: directByTag, server: h.registry, byTag: true}},
		h.backrefs, []peer{{name: withoutHidden, server: h.without}})
}

// attach pushes referrers with a blob of their own each, as clients do.
func (h *hidden) attach() comparison {
	made := comparison{
		name: hiddenAttach, about: fmt.Sprintf("Referrers with a blob of 4 KiB each, both pushed, by %d clients at once.", hiddenClients),
		metrics: []string{metricPushes, metricP50, metricP99}, bases: []string{withoutHidden, direct2, directByTag}, warm: true,
	}
	for _, c := range h.peers() {
		made.contenders = append(made.contenders, contender{name: c.name, measure: func(ctx context.Context, duration time.Duration) (sample, error) {
			return h.push(ctx, duration, func(ctx context.Context, client *client, m rig.Manifest) error {
				content := []byte(fmt.Sprintf("%-4096s", m.Digest()))
				sum := digest.FromBytes(content)
				if err := client.pushBlob(ctx, c.server.url, pushRepository, sum, content); err != nil {
					return err
				}
				layers := []rig.Descriptor{{MediaType: typeAttestation, Digest: sum, Size: int64(len(content))}}
				m.Layers = &layers
				_, err := client.pushManifest(ctx, c.server.url, pushRepository, c.tag(m), m)
				return err
			})
		}})
	}
	return made
}

// push makes manifests that were never pushed, and has them pushed.
func (h *hidden) push(ctx context.Context, duration time.Duration, one func(context.Context, *client, rig.Manifest) error) (sample, error) {
	run := fmt.Sprintf("hidden %d", h.run.Add(1))
	shared := newClient()
	defer shared.CloseIdleConnections()
	var next atomic.Int64
	values, err := drive(ctx, hiddenClients, duration, func(context.Context) (worker, error) {
		return worker{
			work: func(ctx context.Context) error {
				number := int(next.Add(1))
				return one(ctx, shared, referrer(subjectOf(fmt.Sprint("subject ", number%manySubjects)), run, number))
			},
			close: func() {},
		}, nil
	})
	if err == nil {
		values[metricPushes] = values[metricRequests]
	}
	return values, err
}

// fill makes the repositories whose tags are listed, one with hidden tags and
// one without.
func (h *hidden) fill(ctx context.Context) error {
	shared := newClient()
	defer shared.CloseIdleConnections()
	for repository, through := range map[string]*server{hiddenRepository: h.with, plainRepository: h.without} {
		for i := range listedTags {
			image := rig.Image(fmt.Sprint(repository, i))
			if _, err := shared.pushManifest(ctx, through.url, repository, fmt.Sprintf("v%04d", i), image); err != nil {
				return err
			}
			for n := range referrersOfEach {
				if _, err := shared.pushManifest(ctx, through.url, repository, "", referrer(image.Descriptor(), repository, n)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// tagLists lists all tags of a repository at once.
func (h *hidden) tagLists() comparison {
	made := comparison{
		name:    hiddenTagLists,
		about:   fmt.Sprintf("The list of %d tags, each with %d referrers, whole.", listedTags, referrersOfEach),
		metrics: []string{metricRequests, metricP50, metricP99}, bases: []string{withoutHidden, direct2}, warm: true,
	}
	type listed struct {
		peer
		repository string
	}
	all := []listed{
		{peer{name: direct2, server: h.registry}, plainRepository},
		{peer{name: direct2 + ", hidden tags and all", server: h.registry}, hiddenRepository},
		{peer{name: withoutHidden, server: h.without}, plainRepository},
	}
	for _, p := range h.backrefs {
		all = append(all, listed{p, hiddenRepository})
	}
	for _, c := range all {
		made.contenders = append(made.contenders, contender{name: c.name, measure: func(ctx context.Context, duration time.Duration) (sample, error) {
			shared := newClient()
			defer shared.CloseIdleConnections()
			return drive(ctx, 1, duration, func(context.Context) (worker, error) {
				return worker{
					work: func(ctx context.Context) error {
						_, _, err := shared.send(ctx, http.StatusOK, http.MethodGet, c.server.url+"/v2/"+c.repository+"/tags/list", nil)
						return err
					},
					close: func() {},
				}, nil
			})
		}})
	}
	return made
}
