package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// Pages of the few referrers of one type among very many of one subject.
const (
	typedScenario         = "typed"
	typedPostgresScenario = "typed/postgres"

	typedMatching = 10
	typedPage     = 10
	// typeRare is what those have that are looked for.
	typeRare = "application/vnd.example.rare+json"

	unfiltered = "backref, not filtered"
	filtered   = "backref, filtered"
	// typedLeastTime is how long a measurement takes at the least: a page may
	// take a second.
	typedLeastTime = 3 * time.Second
)

func typedFamily(name string) family {
	return family{cases: []string{name}, prepare: func(ctx context.Context, s *stage) ([]comparison, error) {
		return prepareTyped(ctx, s, name)
	}}
}

// prepareTyped loads an index for each build, by the store that it has, and
// starts the build with it. Pages are not cached, so that each comes from the
// index.
func prepareTyped(ctx context.Context, s *stage, name string) ([]comparison, error) {
	made := comparison{
		name: name,
		about: fmt.Sprintf("The first page of %d of the %d referrers that have a type, of %d of one subject, over which they are spread evenly, beside the first page of all of them; by one client, with `cache.pages=0`.",
			typedPage, typedMatching, s.typedReferrers),
		metrics: []string{metricP50, metricP99, metricRequests}, bases: []string{unfiltered}, warm: true,
	}
	registry, err := s.registry(distribution2)
	if err != nil {
		return nil, err
	}
	client := newClient()
	if err := client.pushEmpty(ctx, registry.url, largeRepository); err != nil {
		return nil, err
	}
	if _, err := client.pushManifest(ctx, registry.url, largeRepository, "latest", largeSubject()); err != nil {
		return nil, err
	}
	database := ""
	if name == typedPostgresScenario {
		postgres, err := s.postgres()
		if err != nil {
			return nil, err
		}
		database = postgres.URL
	}
	for _, of := range s.builds() {
		if why := of.withoutBench(); why != "" {
			made.contenders = append(made.contenders,
				contender{name: of.contender(unfiltered), skipped: why}, contender{name: of.contender(filtered), skipped: why})
			continue
		}
		started, err := s.startTyped(ctx, of, registry, database)
		if err != nil {
			return nil, err
		}
		for _, c := range []struct{ name, query string }{
			{unfiltered, fmt.Sprintf("?n=%d", typedPage)},
			{filtered, fmt.Sprintf("?artifactType=%s&n=%d", url.QueryEscape(typeRare), typedPage)},
		} {
			path := "/v2/" + largeRepository + "/referrers/" + largeDigest().String() + c.query
			if err := mustHavePage(ctx, client, started.url+path); err != nil {
				return nil, fmt.Errorf("%s: %w", of.contender(c.name), err)
			}
			made.contenders = append(made.contenders, contender{name: of.contender(c.name), measure: func(ctx context.Context, duration time.Duration) (sample, error) {
				return s.wrk(ctx, load{server: started, paths: []string{path}, connections: 1}, max(duration, typedLeastTime))
			}})
		}
	}
	return []comparison{made}, nil
}

// startTyped loads the index of a build and starts the build with it.
func (s *stage) startTyped(ctx context.Context, of build, registry *server, database string) (*server, error) {
	file := indexFile{Path: filepath.Join(s.dir, "typed"+of.suffix+".db"), Repositories: 1, Large: s.typedReferrers, Matching: typedMatching}
	settings := []string{"cache.pages=0", "reconcile.verifyInterval=0s"}
	index := file.Path
	if database != "" {
		file.Path, file.Database, index = of.schema(), database, ""
		settings = append(settings, "index.postgres.url="+database, "index.postgres.schema="+of.schema())
	}
	if err := s.buildIndex(ctx, of, file); err != nil {
		return nil, err
	}
	return s.startBuild(of, "backref", registry.url, index, settings...)
}

// mustHavePage fails where a page has another number of entries.
func mustHavePage(ctx context.Context, client *client, url string) error {
	_, body, err := client.send(ctx, http.StatusOK, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	listed, err := entries(body)
	if err != nil {
		return err
	}
	if len(listed) != typedPage {
		return fmt.Errorf("%s: %d entries, want %d", url, len(listed), typedPage)
	}
	return nil
}

// rare tells which of the referrers of the large subject have [typeRare]: every
// so many of them in the order of a listing.
func (f indexFile) rare() map[int]bool {
	if f.Matching == 0 {
		return nil
	}
	type numbered struct {
		digest digest.Digest
		number int
	}
	all, large := make([]numbered, f.Large), largeDigest()
	for i := range all {
		all[i] = numbered{sizeRecord(largeRepository, large, i).Digest, i}
	}
	slices.SortFunc(all, func(a, b numbered) int { return strings.Compare(a.digest.String(), b.digest.String()) })
	chosen := map[int]bool{}
	step := f.Large / f.Matching
	for at := step / 2; at < f.Large && len(chosen) < f.Matching; at += step {
		chosen[all[at].number] = true
	}
	return chosen
}
