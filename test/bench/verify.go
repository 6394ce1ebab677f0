package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	verifyScenario = "verify"
	verifyName     = "backref index verify"
)

// verified is the index of a build that was rebuilt once, to be verified.
func (r *rebuildRun) verified(of build) string {
	return filepath.Join(r.dir, "verified"+of.suffix+".db")
}

// compareVerify compares an index with the registry, which the fetcher only
// reads.
func (r *rebuildRun) compareVerify(ctx context.Context) (comparison, error) {
	for _, of := range r.builds() {
		if output, err := r.reconcile(ctx, of, r.verified(of), "rebuild", "--create").CombinedOutput(); err != nil {
			return comparison{}, fmt.Errorf("%s: %w: %s", of.contender(rebuildName), err, output)
		}
	}
	return comparison{
		name: verifyScenario,
		about: fmt.Sprintf("An index of all of %d manifests in %d repositories of Distribution 2.8 is compared with it, %d questions at once; a program with the list of the manifests only reads them.",
			r.stage.rebuild.manifests, r.stage.rebuild.repositories, r.connections),
		metrics: []string{metricManifests}, bases: []string{bareFetcher},
		contenders: r.contenders(verifyName, r.verify),
	}, nil
}

// verify measures a build with the index that it has made.
func (r *rebuildRun) verify(ctx context.Context, of build) (sample, error) {
	values, err := r.timed(r.reconcile(ctx, of, r.verified(of), "verify"))
	if err != nil {
		return nil, err
	}
	return values, r.mustHaveAll(ctx, of, r.verified(of))
}

// reconcile is a command of a build that reads the whole registry, for an index.
func (r *rebuildRun) reconcile(ctx context.Context, of build, index string, command ...string) *exec.Cmd {
	return exec.CommandContext(ctx, of.program, append(append([]string{"index"}, command...), "--upstream", r.registry.url, "--index", index,
		"--set", "upstream.service.anonymous=true", "--set", "reconcile.rate=1000000",
		"--set", "reconcile.concurrency="+strconv.Itoa(r.connections))...)
}

// mustHaveAll fails where an index has other than all manifests.
func (r *rebuildRun) mustHaveAll(ctx context.Context, of build, index string) error {
	output, err := exec.CommandContext(ctx, of.program, "index", "stats", "--index", index).Output()
	if err != nil {
		return fmt.Errorf("backref index stats: %w", err)
	}
	if want := fmt.Sprintf(`"records":%d,`, r.stage.rebuild.manifests); !strings.Contains(strings.ReplaceAll(string(output), " ", ""), want) {
		return fmt.Errorf("the index has other than %d records: %s", r.stage.rebuild.manifests, output)
	}
	return nil
}
