package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/test/rig"
)

const (
	metricManifests = "manifests/s"
	bareFetcher     = "bare fetcher"
	rebuildName     = "backref index rebuild"
)

func rebuildFamily() family {
	return family{cases: []string{"rebuild", verifyScenario}, prepare: prepareRebuild}
}

// rebuildRun is a registry with manifests, all of them tagged, and the list of
// their paths.
type rebuildRun struct {
	*stage
	registry *server
	list     string
	runs     atomic.Int64
}

func prepareRebuild(ctx context.Context, s *stage) ([]comparison, error) {
	registry, err := s.registry(distribution2)
	if err != nil {
		return nil, err
	}
	r := &rebuildRun{stage: s, registry: registry, list: filepath.Join(s.dir, "manifests")}
	if err := r.fill(ctx); err != nil {
		return nil, err
	}
	size := s.rebuild
	made := []comparison{{
		name: "rebuild",
		about: fmt.Sprintf("All of %d manifests, each with a tag, in %d repositories of Distribution 2.8, %d at once: the index is built anew from nothing, and a program with the list of them only reads them.",
			size.manifests, size.repositories, s.connections),
		metrics: []string{metricManifests}, bases: []string{bareFetcher},
		contenders: r.contenders(rebuildName, r.rebuild),
	}}
	if !s.scenario.MatchString(verifyScenario) {
		return made, nil
	}
	verify, err := r.compareVerify(ctx)
	return append(made, verify), err
}

// contenders are the fetcher, and what each build of backref does.
func (r *rebuildRun) contenders(name string, measure func(context.Context, build) (sample, error)) []contender {
	all := []contender{{name: bareFetcher, measure: r.fetch}}
	for _, of := range r.builds() {
		all = append(all, contender{name: of.contender(name), measure: func(ctx context.Context, _ time.Duration) (sample, error) {
			return measure(ctx, of)
		}})
	}
	return all
}

// fill pushes one image into each repository, and referrers to it.
func (r *rebuildRun) fill(ctx context.Context) error {
	size := r.stage.rebuild
	client := newClient()
	paths := make([][]string, size.repositories)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.connections)
	for i := range paths {
		group.Go(func() error {
			repository := fmt.Sprintf("bench/repository-%d", i)
			if err := client.pushEmpty(ctx, r.registry.url, repository); err != nil {
				return err
			}
			manifests := size.manifests / size.repositories
			if i < size.manifests%size.repositories {
				manifests++
			}
			for n := range manifests {
				m := referrer(subjectOf(repository), repository, n)
				if n == 0 {
					m = rig.Image(repository)
				}
				tag := fmt.Sprintf("tag-%d", n)
				if _, err := client.pushManifest(ctx, r.registry.url, repository, tag, m); err != nil {
					return err
				}
				paths[i] = append(paths[i], "/v2/"+repository+"/manifests/"+tag)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var list strings.Builder
	for _, of := range paths {
		list.WriteString(strings.Join(of, "\n") + "\n")
	}
	return os.WriteFile(r.list, []byte(list.String()), 0o600)
}

// fetch measures this program as the fetcher.
func (r *rebuildRun) fetch(ctx context.Context, _ time.Duration) (sample, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return r.timed(exec.CommandContext(ctx, self, peerFetcher, r.registry.url, r.list, strconv.Itoa(r.connections)))
}

// rebuild measures backref, with an index that is not there yet.
func (r *rebuildRun) rebuild(ctx context.Context, of build) (sample, error) {
	index := filepath.Join(r.dir, fmt.Sprintf("rebuilt-%d.db", r.runs.Add(1)))
	values, err := r.timed(r.reconcile(ctx, of, index, "rebuild", "--create"))
	if err != nil {
		return nil, err
	}
	if err := r.mustHaveAll(ctx, of, index); err != nil {
		return nil, err
	}
	return values, os.Remove(index)
}

// timed runs a program that reads all manifests.
func (r *rebuildRun) timed(cmd *exec.Cmd) (sample, error) {
	begun := time.Now()
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, output)
	}
	return sample{metricManifests: float64(r.stage.rebuild.manifests) / time.Since(begun).Seconds()}, nil
}

// fetchAll is the peer: it reads a list of manifests, several at once, and
// drops them.
func fetchAll(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New(peerFetcher + " REGISTRY LIST CONCURRENCY")
	}
	concurrency, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	list, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer func() { _ = list.Close() }()
	client := &http.Client{Transport: newTransport()}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		path := lines.Text()
		group.Go(func() error { return fetchOne(ctx, client, args[0]+path) })
	}
	return errors.Join(lines.Err(), group.Wait())
}

func fetchOne(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	name, value, _ := strings.Cut(acceptManifests, ": ")
	req.Header.Set(name, value)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: status %d", url, resp.StatusCode)
	}
	return nil
}
