package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/index/postgres"
	"github.com/backref/backref/test/rig"
)

// The metrics of size. Those of the large subject are of pages from anywhere
// in its listing, and of pushes to it.
const (
	metricOpen      = "open ms"
	metricOpenKill  = "open after a kill ms"
	metricQueryP50  = "query p50 µs"
	metricQueryP99  = "query p99 µs"
	metricPushP50   = "push p50 µs"
	metricPushP99   = "push p99 µs"
	metricAnonymous = "memory MiB"
	metricMapped    = "mapped MiB"
	metricFile      = "file MiB"
	metricPerEntry  = "bytes/entry"
	// ofLarge precedes the metrics of queries and pushes for the large subject.
	ofLarge = "large subject "
)

// subjectReferrers is how many referrers each subject has but the large one,
// and how many a query gets.
const subjectReferrers = 10

// sizeScenario is the name of the scenario of indexes in files.
const sizeScenario = "size"

// sizeName is the name of a contender.
func sizeName(referrers int) string { return fmt.Sprintf("%d referrers", referrers) }

func sizeFamily(o sizeOptions) family {
	return family{cases: []string{sizeScenario}, prepare: func(ctx context.Context, s *stage) ([]comparison, error) {
		return prepareSize(ctx, s, o, sizeScenario, "")
	}}
}

// indexFile is an index of a size, in a file or in a database. Its subjects are
// spread over repositories, subjectReferrers each.
type indexFile struct {
	Path string
	// Database is the URL of a database that has the index in a schema named
	// Path; empty where Path is a file.
	Database     string
	Repositories int
	Subjects     int
	// Large is how many referrers the large subject has, which is in a
	// repository of its own; 0 where there is none.
	Large int
	// Matching is how many of those have a type of their own.
	Matching int
}

// prepareSize loads indexes of all sizes, in files or in a database.
func prepareSize(ctx context.Context, s *stage, o sizeOptions, name, database string) ([]comparison, error) {
	made := comparison{
		name: name,
		about: fmt.Sprintf("The store alone, by one caller: opening it, queries that get %d entries, pushes (Begin and Confirm) to random subjects, in indexes of several sizes. "+
			"All but the first have one subject with %d referrers more.", subjectReferrers, o.subject),
		metrics: []string{metricQueryP50, metricQueryP99, metricPushP50, metricPushP99,
			ofLarge + metricQueryP50, ofLarge + metricQueryP99, ofLarge + metricPushP50, ofLarge + metricPushP99,
			metricOpen, metricOpenKill, metricAnonymous, metricMapped, metricFile, metricPerEntry},
		bases: []string{sizeName(o.referrers[0])}, warm: true,
	}
	for i, referrers := range o.referrers {
		subjects := max(1, referrers/subjectReferrers)
		file := indexFile{
			Path:         filepath.Join(s.dir, fmt.Sprintf("size-%d.db", i)),
			Database:     database,
			Subjects:     subjects,
			Repositories: min(subjects, o.repositories),
		}
		if i > 0 {
			file.Large = o.subject
		}
		begun := time.Now()
		if err := file.build(ctx); err != nil {
			return nil, err
		}
		elapsed := time.Since(begun)
		s.notes = append(s.notes, fmt.Sprintf("%s: an index of %d referrers was loaded in %.1f s, %s records/s.",
			name, file.entries(), elapsed.Seconds(), figure(float64(file.entries())/elapsed.Seconds())))
		s.say("%s", s.notes[len(s.notes)-1])
		made.contenders = append(made.contenders, contender{name: sizeName(referrers), measure: file.measure})
	}
	return []comparison{made}, nil
}

func (f indexFile) entries() int { return f.Subjects*subjectReferrers + f.Large }

// repository returns where a subject is.
func (f indexFile) repository(subject int) string {
	return fmt.Sprintf("team-%03d/image-%06d", subject%f.Repositories/1000, subject%f.Repositories)
}

const largeRepository = "large/image"

// sizeRecord returns a referrer.
func sizeRecord(repository string, subject digest.Digest, number int) index.Record {
	m := referrer(subjectOf(""), repository, number)
	body := digest.FromString(fmt.Sprint(subject, number))
	return index.Record{
		Repository: repository,
		Manifest: index.Manifest{
			Digest: body, MediaType: m.MediaType, Size: 700, ArtifactType: m.ArtifactType, Annotations: m.Annotations,
			Edges: []index.Edge{
				{Kind: index.EdgeSubject, Target: subject},
				{Kind: index.EdgeConfig, Target: m.Config.Digest},
				{Kind: index.EdgeLayer, Target: digest.FromString("layer of " + body.String())},
			},
		},
		Seen: time.Unix(1_750_000_000, 0),
	}
}

func subjectDigest(number int) digest.Digest {
	return digest.FromString(fmt.Sprint("subject ", number))
}

// largeSubject is the image that has the most referrers. Who is asked for them
// looks whether the client may read it, so a registry may have to have it.
func largeSubject() rig.Manifest { return rig.Image(largeRepository) }

func largeDigest() digest.Digest { return largeSubject().Digest() }

// loadBatch is how many records are recorded at once.
const loadBatch = 5000

// build makes the index. Records come in the order of their repositories, as
// they do in a rebuild.
func (f indexFile) build(ctx context.Context) error {
	store, err := f.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f.load(ctx, store), store.Close(), f.rest(ctx))
}

// open opens the index, which is made where there is none.
func (f indexFile) open(ctx context.Context) (index.Maintainer, error) {
	if f.Database != "" {
		return postgres.Open(ctx, postgres.Options{URL: f.Database, Schema: filepath.Base(f.Path)})
	}
	return bolt.Open(f.Path, bolt.Options{})
}

func (f indexFile) load(ctx context.Context, store index.Store) error {
	batch := make([]index.Record, 0, loadBatch)
	add := func(record index.Record) error {
		if batch = append(batch, record); len(batch) < loadBatch {
			return nil
		}
		err := store.Observe(ctx, 0, batch...)
		batch = batch[:0]
		return err
	}
	for repository := range f.Repositories {
		for subject := repository; subject < f.Subjects; subject += f.Repositories {
			for i := range subjectReferrers {
				if err := add(sizeRecord(f.repository(subject), subjectDigest(subject), i)); err != nil {
					return err
				}
			}
		}
	}
	rare, large := f.rare(), largeDigest()
	for i := range f.Large {
		record := sizeRecord(largeRepository, large, i)
		if rare[i] {
			record.ArtifactType = typeRare
		}
		if err := add(record); err != nil {
			return err
		}
	}
	return store.Observe(ctx, 0, batch...)
}

// measure has a process of its own open the index and use it. It ends as one
// that is killed while it pushes, so another opens what it left.
func (f indexFile) measure(ctx context.Context, duration time.Duration) (sample, error) {
	values, err := f.probe(ctx, duration)
	if err != nil {
		return nil, err
	}
	left, err := f.probe(ctx, 0)
	if err != nil {
		return nil, err
	}
	values[metricOpenKill] = left[metricOpen]
	size, err := f.size(ctx)
	if err != nil {
		return nil, err
	}
	values[metricFile] = mebibytes(size)
	values[metricPerEntry] = float64(size) / float64(f.entries())
	return values, nil
}

// probe starts a process that uses the index for a time, or only opens and
// closes it.
func (f indexFile) probe(ctx context.Context, duration time.Duration) (sample, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return f.probeWith(ctx, self, duration)
}

// probeWith is [indexFile.probe] with another build of this program.
func (f indexFile) probeWith(ctx context.Context, self string, duration time.Duration) (sample, error) {
	description, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, peerProbe, string(description), strconv.FormatInt(duration.Milliseconds(), 10))
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("use index %s: %w", f.Path, err)
	}
	var values sample
	if err := json.Unmarshal(output, &values); err != nil {
		return nil, err
	}
	return values, nil
}
