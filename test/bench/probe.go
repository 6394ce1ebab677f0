package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// probe is the process that uses an index: it opens it, asks and pushes, and
// prints what it measured. It does not close what it used, as one that is
// killed; without a time it only opens the index and closes it.
func probe(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) != 2 {
		return errors.New(peerProbe + " INDEX MILLISECONDS")
	}
	var file indexFile
	if err := json.Unmarshal([]byte(args[0]), &file); err != nil {
		return err
	}
	duration, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	begun := time.Now()
	store, err := file.open(ctx)
	if err != nil {
		return err
	}
	values := sample{metricOpen: milliseconds(time.Since(begun))}
	p := &prober{file: file, store: store, values: values, large: largeDigest(), each: time.Duration(duration) * time.Millisecond / works}
	if duration == 0 {
		err = store.Close()
	} else {
		err = p.run(ctx)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(values)
}

// works is by how many works of a prober its time is divided.
const works = 5

// prober uses an open index, with each of its works for as long as each.
type prober struct {
	file   indexFile
	store  index.Maintainer
	values sample
	each   time.Duration
	pushed int
	large  digest.Digest
}

func (p *prober) run(ctx context.Context) error {
	type work struct {
		p50, p99 string
		do       func(context.Context) error
	}
	all := []work{{metricQueryP50, metricQueryP99, p.query}, {metricPushP50, metricPushP99, p.push}}
	if p.file.Large > 0 {
		all = append(all,
			work{ofLarge + metricQueryP50, ofLarge + metricQueryP99, p.queryLarge},
			work{ofLarge + metricPushP50, ofLarge + metricPushP99, p.pushLarge})
	}
	// A server that has run for a while has met all pages: the walk through all
	// keys reads them into memory, as far as there is room, and maps them.
	if _, err := p.store.Stats(ctx); err != nil {
		return err
	}
	if _, err := p.time(ctx, p.query); err != nil {
		return err
	}
	for _, w := range all {
		latencies, err := p.time(ctx, w.do)
		if err != nil {
			return err
		}
		p.values[w.p50], p.values[w.p99] = microseconds(percentile(latencies, 50)), microseconds(percentile(latencies, 99))
	}
	for metric, field := range map[string]string{metricAnonymous: "RssAnon", metricMapped: "RssFile"} {
		bytes, err := statusField(os.Getpid(), field)
		if err != nil {
			return err
		}
		p.values[metric] = mebibytes(bytes)
	}
	return nil
}

// time does a work over and over and returns its latencies, sorted.
func (p *prober) time(ctx context.Context, do func(context.Context) error) ([]time.Duration, error) {
	var latencies []time.Duration
	for begun := time.Now(); time.Since(begun) < p.each || len(latencies) == 0; {
		start := time.Now()
		if err := do(ctx); err != nil {
			return nil, err
		}
		latencies = append(latencies, time.Since(start))
	}
	slices.Sort(latencies)
	return latencies, nil
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// random returns any subject but the large one.
func (p *prober) random() (repository string, subject digest.Digest) {
	number := rand.IntN(p.file.Subjects)
	return p.file.repository(number), subjectDigest(number)
}

func (p *prober) query(ctx context.Context) error {
	repository, subject := p.random()
	return p.ask(ctx, repository, subject, "")
}

// queryLarge asks for a page from anywhere in the listing, but its end.
func (p *prober) queryLarge(ctx context.Context) error {
	after := digest.NewDigestFromEncoded(digest.SHA256, fmt.Sprintf("%04x%060d", rand.IntN(0xf000), 0))
	return p.ask(ctx, largeRepository, p.large, after)
}

// ask asks as the proxy does.
func (p *prober) ask(ctx context.Context, repository string, subject, after digest.Digest) error {
	if _, err := p.store.Unsettled(ctx, repository, subject); err != nil {
		return err
	}
	page, err := p.store.Referrers(ctx, repository, subject, index.Query{After: index.Cursor{Digest: after}, Limit: subjectReferrers, MaxBytes: 4 << 20})
	if err != nil {
		return err
	}
	if len(page.Referrers) != subjectReferrers {
		return fmt.Errorf("%d referrers of %s, want %d", len(page.Referrers), subject, subjectReferrers)
	}
	return nil
}

func (p *prober) push(ctx context.Context) error {
	repository, subject := p.random()
	return p.pushTo(ctx, repository, subject)
}

func (p *prober) pushLarge(ctx context.Context) error {
	return p.pushTo(ctx, largeRepository, p.large)
}

func (p *prober) pushTo(ctx context.Context, repository string, subject digest.Digest) error {
	p.pushed++
	record := sizeRecord(repository, subject, -p.pushed*os.Getpid())
	record.Digest = digest.FromString(fmt.Sprint(rand.Uint64(), p.pushed))
	id, err := p.store.Begin(ctx, index.Intent{Kind: index.IntentPush, Record: record, Deadline: time.Now().Add(time.Minute)})
	if err != nil {
		return err
	}
	return p.store.Confirm(ctx, id, time.Now())
}
