package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
)

// Copies between registries: what is read is in front of a backref, and each
// contender writes into repositories of its own.
const (
	copyAPI       = "copy/referrers-api"
	copyTag       = "copy/referrers-tag"
	copyPlatforms = "copy/platforms"
	copyAgain     = "copy/again"
	copyLayers    = "copy/layers"

	metricSeconds = "s"
	metricCPU     = "CPU s"

	platforms         = 20
	platformReferrers = 5
	// layers is how many layers share the bytes of the image of copyLayers.
	layers = 8
)

// copyOptions say what is copied.
type copyOptions struct {
	referrers int
	bytes     int64
}

func copiesFamily() family {
	return family{cases: []string{copyAPI, copyTag, copyPlatforms, copyAgain, copyLayers}, prepare: prepareCopies}
}

// copies are the registries of copies. The source is a Distribution 2.8 behind a
// backref; plain is another, which has no referrers API, and withAPI the backref in
// front of it. (olareg, which has the API itself, loses some of what several clients
// or connections push to one subject at once.)
type copies struct {
	*stage
	source, plain, withAPI *server
	client                 *client
	run                    atomic.Int64
}

func prepareCopies(ctx context.Context, s *stage) ([]comparison, error) {
	c := &copies{stage: s, client: newClient()}
	registry, err := s.registry(distribution2)
	if err != nil {
		return nil, err
	}
	if c.source, err = s.startBackref("backref", registry.url, filepath.Join(s.dir, "backref.db")); err != nil {
		return nil, err
	}
	if c.plain, err = s.registryAt(distribution2, "target"); err != nil {
		return nil, err
	}
	if c.withAPI, err = s.startBackref("backref-target", c.plain.url, filepath.Join(s.dir, "target.db")); err != nil {
		return nil, err
	}
	var made []comparison
	for _, prepare := range []struct {
		names []string
		of    func(context.Context) ([]comparison, error)
	}{
		{[]string{copyAPI, copyTag, copyAgain}, c.one}, {[]string{copyPlatforms}, c.platforms}, {[]string{copyLayers}, c.layers},
	} {
		wanted := false
		for _, name := range prepare.names {
			wanted = wanted || s.scenario.MatchString(name)
		}
		if !wanted {
			continue
		}
		comparisons, err := prepare.of(ctx)
		if err != nil {
			return nil, err
		}
		made = append(made, comparisons...)
	}
	return made, nil
}

// one copies an image with many referrers.
func (c *copies) one(ctx context.Context) ([]comparison, error) {
	const repository = "bench/one"
	n := c.copy.referrers
	expected, err := c.pushImage(ctx, repository, n)
	if err != nil {
		return nil, err
	}
	job := copyJob{repository: repository, expected: expected, artifacts: n}
	about := fmt.Sprintf("An image with %d referrers, each with a blob of %d bytes, from Distribution 2.8 behind backref", n, referrerBlob)
	api, tag, again := job, job, job
	api.target, tag.target, again.target, again.again = c.withAPI, c.plain, c.withAPI, true
	return []comparison{
		c.comparison(copyAPI, about+" to another behind backref, which gives it the referrers API.", api),
		c.comparison(copyTag, about+" to another without: under referrers tags.", tag),
		c.comparison(copyAgain, about+" to another behind backref, which has all of it already.", again),
	}, nil
}

// platforms copies an index of images with their referrers.
func (c *copies) platforms(ctx context.Context) ([]comparison, error) {
	const repository = "bench/platforms"
	expected, err := c.pushPlatforms(ctx, repository)
	if err != nil {
		return nil, err
	}
	return []comparison{c.comparison(copyPlatforms,
		fmt.Sprintf("An index of %d images with %d referrers each, from Distribution 2.8 behind backref to another behind backref.", platforms, platformReferrers),
		copyJob{repository: repository, target: c.withAPI, expected: expected, artifacts: platforms * (1 + platformReferrers)})}, nil
}

// layers copies an image of large layers.
func (c *copies) layers(ctx context.Context) ([]comparison, error) {
	const repository = "bench/layers"
	expected, err := c.pushLayers(ctx, repository)
	if err != nil {
		return nil, err
	}
	made := c.comparison(copyLayers,
		fmt.Sprintf("An image of %d MiB in %d layers, from Distribution 2.8 behind backref to another.", c.copy.bytes>>20, layers),
		copyJob{repository: repository, target: c.plain, expected: expected, artifacts: 1, bytes: c.copy.bytes})
	return []comparison{made}, nil
}

// copyJob is what each contender of a comparison has to do.
type copyJob struct {
	repository string
	target     *server
	// expected are the referrers by their subject that have to be listed then.
	expected map[digest.Digest][]digest.Digest
	// artifacts and bytes are what the rate is counted in; bytes where it is not 0.
	artifacts int
	bytes     int64
	// again says that the target has all of it.
	again bool
}

// metric is the rate that counts.
func (j copyJob) metric() string {
	if j.bytes > 0 {
		return metricMegabyte
	}
	return metricArtifacts
}

const metricArtifacts = "artifacts/s"

func (c *copies) comparison(name, about string, job copyJob) comparison {
	made := comparison{
		name: name, about: about + " Each tool with its defaults, as a process of its own.",
		metrics: []string{job.metric(), metricSeconds, metricCPU, metricMost}, bases: []string{backrefName},
	}
	for _, tool := range c.copyTools(name) {
		full := ""
		made.contenders = append(made.contenders, contender{
			name: tool.name, skipped: tool.skipped,
			measure: func(ctx context.Context, _ time.Duration) (sample, error) {
				target := full
				if target == "" {
					target = fmt.Sprintf("copies/run-%d", c.run.Add(1))
				}
				if job.again && full == "" {
					if _, err := c.copyOnce(ctx, tool, job, target); err != nil {
						return nil, err
					}
					full = target
				}
				return c.copyOnce(ctx, tool, job, target)
			},
		})
	}
	return made
}

// copyOnce runs one copy and looks whether all of it has come.
func (c *copies) copyOnce(ctx context.Context, tool copyTool, job copyJob, repository string) (sample, error) {
	program, err := tool.program()
	if err != nil {
		return nil, err
	}
	args := tool.args(c.source.address+"/"+job.repository+":v1", job.target.address+"/"+repository+":v1")
	values, err := c.timedProcess(ctx, program, args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tool.name, err)
	}
	values[metricArtifacts] = float64(job.artifacts) / values[metricSeconds]
	if job.bytes > 0 {
		values[metricMegabyte] = float64(job.bytes) / 1e6 / values[metricSeconds]
	}
	var missing error
	for subject, referrers := range job.expected {
		missing = errors.Join(missing, c.mustHave(ctx, job.target, repository, subject, referrers))
	}
	return values, missing
}
