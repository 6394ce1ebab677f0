package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/postgres"
	"github.com/backref/backref/oci"
	"github.com/opencontainers/go-digest"
)

const repo = "library/app"

// numbered returns a referrer.
func numbered(i int) index.Record {
	name := fmt.Sprint("manifest ", i)
	return index.Record{
		Repository: repo,
		Manifest: index.Manifest{
			Digest: digest.FromString(name), MediaType: oci.MediaTypeImageManifest, Size: 1, ArtifactType: "application/vnd.example",
			Annotations: map[string]string{"org.example.number": strconv.Itoa(i)},
			Edges:       []index.Edge{{Kind: index.EdgeSubject, Target: digest.FromString("subject")}, {Kind: index.EdgeConfig, Target: digest.FromString("{}")}},
		},
		Seen: time.Unix(1_750_000_000, 0).UTC(),
	}
}

// push records a manifest as a client's push does.
func push(ctx context.Context, store index.Store, record index.Record) error {
	id, err := store.Begin(ctx, index.Intent{Kind: index.IntentPush, Record: record, Deadline: time.Now().Add(time.Hour)})
	if err != nil {
		return err
	}
	return store.Confirm(ctx, id, time.Now())
}

func get(ctx context.Context, store index.Store, record index.Record) error {
	_, err := store.Get(ctx, record.Repository, record.Digest)
	return err
}

// The process that writes is this program again, told so by its environment.
const (
	childSchema = "BACKREF_TEST_SCHEMA"
	childFirst  = "BACKREF_TEST_FIRST"
	childStep   = 1_000_000
	// childTimeout is how long it may stop within a transaction.
	childTimeout = 2 * time.Second
)

// writeUntilKilled pushes from several goroutines and prints the number of each
// referrer once it is acknowledged.
func writeUntilKilled(ctx context.Context, first int) error {
	options := newOptions()
	options.Schema, options.Timeout = os.Getenv(childSchema), childTimeout
	store, err := postgres.Open(ctx, options)
	if err != nil {
		return err
	}
	const writers = 8
	errs := make([]error, writers)
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			for n := first + i; errs[i] == nil; n += writers {
				if errs[i] = push(ctx, store, numbered(n)); errs[i] == nil {
					_, errs[i] = fmt.Println(n)
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// TestKilled kills processes that write, two at a time, at random moments. What
// they were told to be recorded is, and what they left locked is free.
func TestKilled(t *testing.T) {
	options := newOptions()
	store := mustOpen(t, options)
	defer func() { must(t, store.Close()) }()
	var mutex sync.Mutex
	acknowledged := map[int]bool{}
	for round := range 6 {
		var group sync.WaitGroup
		for i := range 2 {
			group.Go(func() {
				numbers, err := runKilled(t, options.Schema, (2*round+i+1)*childStep)
				if err != nil {
					t.Error(err)
				}
				mutex.Lock()
				defer mutex.Unlock()
				for _, n := range numbers {
					acknowledged[n] = true
				}
			})
		}
		group.Wait()
		// Nobody waits for a lock of the dead.
		begun := time.Now()
		must(t, push(t.Context(), store, numbered(round)))
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("the next push took %s", took)
		}
	}
	if len(acknowledged) == 0 {
		t.Fatal("nothing was written")
	}
	for n := range acknowledged {
		must(t, get(t.Context(), store, numbered(n)))
	}
}

// TestAStoppedWriterIsCutOff stops a process that writes, which may be within
// a transaction then: the others wait for it no longer than its timeout.
func TestAStoppedWriterIsCutOff(t *testing.T) {
	options := newOptions()
	store := mustOpen(t, options)
	defer func() { must(t, store.Close()) }()
	for round := range 4 {
		cmd, lines, err := startWriter(t, options.Schema, (round+1)*childStep)
		must(t, err)
		if !lines.Scan() {
			t.Fatal("the writer says nothing", cmd.Wait())
		}
		time.Sleep(rand.N(20 * time.Millisecond))
		must(t, cmd.Process.Signal(syscall.SIGSTOP))
		begun := time.Now()
		must(t, push(t.Context(), store, numbered(round)))
		t.Logf("the next push took %s", time.Since(begun))
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()
	}
}

// runKilled has a process write for a moment, and returns what it has printed.
func runKilled(t *testing.T, schema string, first int) (numbers []int, err error) {
	cmd, lines, err := startWriter(t, schema, first)
	if err != nil {
		return nil, err
	}
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			return nil, err
		}
		if numbers = append(numbers, n); len(numbers) == 1 {
			killer := time.AfterFunc(rand.N(200*time.Millisecond), func() { _ = cmd.Process.Kill() })
			defer killer.Stop()
		}
	}
	if err := cmd.Wait(); err == nil {
		return nil, errors.New("the writer ended by itself")
	}
	return numbers, lines.Err()
}

// startWriter starts a process that writes, and returns what it prints.
func startWriter(t *testing.T, schema string, first int) (*exec.Cmd, *bufio.Scanner, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), childSchema+"="+schema, childFirst+"="+strconv.Itoa(first))
	cmd.Stderr = os.Stderr
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	return cmd, bufio.NewScanner(output), cmd.Start()
}
