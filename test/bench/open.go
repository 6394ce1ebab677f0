package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// openScenario opens an index after a kill amid mass deletes.
	openScenario = "open"

	// openPart of the referrers is asked to be deleted; the process is killed
	// when half of that is gone.
	openPart = 2
	// deletesAtOnce share their waits for the disk.
	deletesAtOnce = 256
	// deletesReported is after how many deletes the process says so.
	deletesReported = 1000
)

func openFamily(referrers int) family {
	return family{cases: []string{openScenario}, prepare: func(ctx context.Context, s *stage) ([]comparison, error) {
		return prepareOpen(ctx, s, referrers)
	}}
}

// prepareOpen loads an index for each build, by the store that it has, and
// kills the process that deletes much of it.
func prepareOpen(ctx context.Context, s *stage, referrers int) ([]comparison, error) {
	made := comparison{
		name: openScenario,
		about: fmt.Sprintf("Opening an index of %d referrers that a process left which was killed (SIGKILL) while it deleted half of them, %d at once, with about a quarter gone.",
			referrers, deletesAtOnce),
		metrics: []string{metricOpen, metricFile}, bases: []string{embeddedName},
	}
	for _, of := range s.builds() {
		name := of.contender(embeddedName)
		if why := of.withoutBench(); why != "" {
			made.contenders = append(made.contenders, contender{name: name, skipped: why})
			continue
		}
		subjects := max(1, referrers/subjectReferrers)
		left := indexFile{Path: filepath.Join(s.dir, "left"+of.suffix+".db"), Subjects: subjects, Repositories: min(subjects, s.size.repositories)}
		if err := s.buildIndex(ctx, of, left); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := of.killAmidDeletes(ctx, left); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		made.contenders = append(made.contenders, contender{name: name, measure: func(ctx context.Context, _ time.Duration) (sample, error) {
			return of.openLeft(ctx, left)
		}})
	}
	return []comparison{made}, nil
}

// openLeft has a process open a copy of what was left, whose pages are in
// memory.
func (of build) openLeft(ctx context.Context, left indexFile) (sample, error) {
	opened := left
	opened.Path += ".copy"
	if err := copyFile(left.Path, opened.Path); err != nil {
		return nil, err
	}
	values, err := opened.probeWith(ctx, of.bench(), 0)
	if err == nil {
		var size int64
		size, err = opened.size(ctx)
		values[metricFile] = mebibytes(size)
	}
	return values, errors.Join(err, os.Remove(opened.Path))
}

// killAmidDeletes starts a process that deletes, and kills it.
func (of build) killAmidDeletes(ctx context.Context, file indexFile) error {
	description, err := json.Marshal(file)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, of.bench(), peerDeletes, string(description))
	cmd.Stderr = os.Stderr
	output, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	enough, deleted := file.entries()/openPart/2, 0
	for lines := bufio.NewScanner(output); deleted < enough && lines.Scan(); {
		if deleted, err = strconv.Atoi(lines.Text()); err != nil {
			break
		}
	}
	killed := cmd.Process.Kill()
	ended := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err != nil || killed != nil:
		return errors.Join(err, killed)
	case deleted < enough:
		return fmt.Errorf("deletes ended after %d of %d: %w", deleted, enough, ended)
	case !errors.As(ended, &exit):
		return fmt.Errorf("deletes were over before the process was killed: %w", ended)
	default:
		return nil
	}
}

// deleteMany is the process that deletes every second referrer, and says how
// many are gone.
func deleteMany(ctx context.Context, args []string, stdout io.Writer) error {
	file, err := indexArgument(peerDeletes, args)
	if err != nil {
		return err
	}
	store, err := file.open(ctx)
	if err != nil {
		return err
	}
	mark, err := store.Mark(ctx)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	var deleted atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(deletesAtOnce)
	for number := range file.entries() / openPart {
		subject, i := number/(subjectReferrers/openPart), number%(subjectReferrers/openPart)
		group.Go(func() error {
			record := sizeRecord(file.repository(subject), subjectDigest(subject), i)
			if err := store.Forget(ctx, mark, record.Repository, record.Digest); err != nil {
				return err
			}
			if n := deleted.Add(1); n%deletesReported == 0 {
				_, err := fmt.Fprintln(stdout, n)
				return err
			}
			return nil
		})
	}
	return errors.Join(group.Wait(), store.Close())
}

// indexArgument reads the description of an index.
func indexArgument(peer string, args []string) (indexFile, error) {
	var file indexFile
	if len(args) != 1 {
		return file, errors.New(peer + " INDEX")
	}
	err := json.Unmarshal([]byte(args[0]), &file)
	return file, err
}

// loadIndex is the process that makes an index.
func loadIndex(ctx context.Context, args []string) error {
	file, err := indexArgument(peerLoad, args)
	if err != nil {
		return err
	}
	return file.build(ctx)
}

// buildIndex makes an index by the store that a build has.
func (s *stage) buildIndex(ctx context.Context, of build, file indexFile) error {
	description, err := json.Marshal(file)
	if err != nil {
		return err
	}
	begun := time.Now()
	if output, err := exec.CommandContext(ctx, of.bench(), peerLoad, string(description)).CombinedOutput(); err != nil {
		return fmt.Errorf("load index %s: %w: %s", file.Path, err, output)
	}
	s.say("an index of %d referrers was loaded in %.1f s", file.entries(), time.Since(begun).Seconds())
	return nil
}
