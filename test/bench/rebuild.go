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
	rebuildBefore   = rebuildName + ", before"
	verifyName      = "backref index verify"
	verifyBefore    = verifyName + ", before"
)

func rebuildFamily() family {
	return family{cases: []string{"rebuild"}, prepare: prepareRebuild}
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
	return []comparison{{
		name: "rebuild",
		about: fmt.Sprintf("All of %d manifests, each with a tag, in %d repositories of Distribution 2.8, %d at once: the index is built anew from nothing, and a program with the list of them only reads them.",
			size.manifests, size.repositories, s.connections),
		metrics: []string{metricManifests, metricSeconds, metricCPU, metricMost}, bases: []string{bareFetcher}, contenders: r.contenders(),
	}}, nil
}

// contenders are the fetcher, and what backref does, each after it.
func (r *rebuildRun) contenders() []contender {
	all := []contender{{name: bareFetcher, measure: r.fetch}}
	add := func(name, program string, measure func(context.Context, string) (sample, error)) {
		if program != "" {
			all = append(all, contender{name: name, measure: func(ctx context.Context, _ time.Duration) (sample, error) { return measure(ctx, program) }})
		}
	}
	add(rebuildName, r.backref, r.rebuild)
	add(rebuildBefore, r.before, r.rebuild)
	add(verifyName, r.backref, r.verify)
	add(verifyBefore, r.before, r.verify)
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
	return r.timed(ctx, self, peerFetcher, r.registry.url, r.list, strconv.Itoa(r.connections))
}

// rebuild measures a backref, with an index that is not there yet.
func (r *rebuildRun) rebuild(ctx context.Context, program string) (sample, error) {
	index := filepath.Join(r.dir, fmt.Sprintf("rebuilt-%d.db", r.runs.Add(1)))
	values, err := r.timed(ctx, program, append(r.maintain("rebuild", index), "--create")...)
	if err != nil {
		return nil, err
	}
	output, err := exec.CommandContext(ctx, program, "index", "stats", "--index", index).Output()
	if err != nil {
		return nil, fmt.Errorf("backref index stats: %w", err)
	}
	if want := fmt.Sprintf(`"records":%d,`, r.stage.rebuild.manifests); !strings.Contains(strings.ReplaceAll(string(output), " ", ""), want) {
		return nil, fmt.Errorf("the index that was built has other than %d records: %s", r.stage.rebuild.manifests, output)
	}
	return values, os.Rename(index, r.built())
}

// built is an index that was built, for those that verify one.
func (r *rebuildRun) built() string { return filepath.Join(r.dir, "built.db") }

// verify measures a backref that compares an index which is right. It fails where it
// is not.
func (r *rebuildRun) verify(ctx context.Context, program string) (sample, error) {
	return r.timed(ctx, program, r.maintain("verify", r.built())...)
}

// maintain returns the arguments of a command on an index.
func (r *rebuildRun) maintain(command, index string) []string {
	return []string{"index", command, "--upstream", r.registry.url, "--index", index,
		"--set", "upstream.service.anonymous=true", "--set", "reconcile.rate=1000000",
		"--set", "reconcile.concurrency=" + strconv.Itoa(r.connections)}
}

// timed runs a program that reads all manifests.
func (r *rebuildRun) timed(ctx context.Context, program string, args ...string) (sample, error) {
	values, err := r.timedProcess(ctx, program, args)
	if err != nil {
		return nil, err
	}
	values[metricManifests] = float64(r.stage.rebuild.manifests) / values[metricSeconds]
	return values, nil
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
