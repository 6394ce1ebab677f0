package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
	"github.com/opencontainers/go-digest"
	"go.etcd.io/bbolt"
)

// crashesSetting is how often the writer is killed, for long runs.
const crashesSetting = "BACKREF_TEST_CRASHES"

// TestKilled kills a process that writes, at random moments, and checks that
// everything it was told to be done is there when the index is opened again.
// Beside the writers, rebuilds copy the index and swap the copy in, and a
// mirror writes down what the outbox holds.
func TestKilled(t *testing.T) {
	crashes := 8
	if setting := os.Getenv(crashesSetting); setting != "" {
		var err error
		crashes, err = strconv.Atoi(setting)
		must(t, err)
	}
	path := filepath.Join(t.TempDir(), "index.db")
	told := newLedger()
	for range crashes {
		command := child(t, "write", path)
		told.follow(t, command, func() {
			// Some die before they have opened the index or done much, some later.
			time.AfterFunc(time.Duration(rand.Int64N(int64(100*time.Millisecond))), func() {
				_ = command.Process.Kill()
			})
		})
		told.check(t, path)
	}
	t.Logf("%d kills, %d manifests, %d chains, %d swaps, nothing lost", crashes, len(told.manifests), len(told.chains), told.swaps)
}

// ledger is what a writer was told, and began after that.
type ledger struct {
	manifests map[string]fate
	// mirrored is the listing of each subject that was written down last.
	mirrored map[digest.Digest]string
	swaps    int
	// chains are those of replaceOver.
	chains map[string]chain
}

// fate is that of a manifest.
type fate struct {
	// acknowledged is the last kind of change that was carried out.
	acknowledged string
	// begun is the kind of intent that is durable and not carried out yet.
	begun string
	// trying is the kind of change that may have begun since.
	trying string
}

func newLedger() ledger {
	return ledger{manifests: make(map[string]fate), mirrored: make(map[digest.Digest]string), chains: make(map[string]chain)}
}

// follow starts a writer and notes what it tells until it is killed. Started is
// called when it has begun.
func (l *ledger) follow(t *testing.T, writer *exec.Cmd, started func()) {
	t.Helper()
	output, err := writer.StdoutPipe()
	must(t, err)
	must(t, writer.Start())
	scanner := bufio.NewScanner(output)
	if !scanner.Scan() {
		t.Fatal("the writer says nothing", writer.Wait())
	}
	must(t, l.note(scanner.Text()))
	started()
	for scanner.Scan() {
		must(t, l.note(scanner.Text()))
	}
	must(t, scanner.Err())
	if err := writer.Wait(); err == nil || writer.ProcessState.Exited() {
		t.Fatal("the writer ended by itself", err)
	}
}

func (l *ledger) note(line string) error {
	var event, kind, what string
	if _, err := fmt.Sscan(line, &event, &kind, &what); err != nil {
		if line == "started" {
			return nil
		}
		return fmt.Errorf("%q: %w", line, err)
	}
	f := l.manifests[what]
	switch event {
	case "mirrored":
		l.mirrored[digest.Digest(kind)] = what
		return nil
	case "replacing", "replaced":
		return l.noteChain(event, kind, what)
	case "swapped":
		l.swaps++
		return nil
	case "trying":
		f.trying = kind
	case "begun":
		f.begun = kind
	case "acknowledged":
		f = fate{acknowledged: kind}
	}
	l.manifests[what] = f
	return nil
}

func (l *ledger) check(t *testing.T, path string) {
	t.Helper()
	checkTree(t, path)
	store := mustOpen(t, path)
	defer func() { must(t, store.Close()) }()
	l.checkMirror(t, store)
	l.checkChains(t, store)
	listed, open := make(map[digest.Digest]bool), make(map[digest.Digest]bool)
	for _, subject := range crashSubjects() {
		page, err := store.Referrers(t.Context(), repo, subject, index.Query{})
		must(t, err)
		for _, referrer := range page.Referrers {
			listed[referrer.Digest] = true
		}
		intents, err := store.Unsettled(t.Context(), repo, subject)
		must(t, err)
		for _, intent := range intents {
			open[intent.Record.Digest] = true
		}
	}
	for what, f := range l.manifests {
		d := digest.FromString(what)
		switch {
		case f.trying == "" && listed[d] != (f.acknowledged == "push"):
			t.Fatalf("%s: listed %t after an acknowledged %s", what, listed[d], f.acknowledged)
		case f.begun == "push" && !listed[d] && !open[d]:
			t.Fatalf("%s: the push that had begun is forgotten", what)
		case f.begun == "delete" && listed[d] && !open[d]:
			t.Fatalf("%s: the delete that had begun is forgotten", what)
		}
	}
}

// checkTree checks that each page of a file is used once, or free.
func checkTree(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	must(t, err)
	must(t, db.View(func(tx *bbolt.Tx) error {
		var all error
		for err := range tx.Check() {
			all = errors.Join(all, err)
		}
		return all
	}))
	must(t, db.Close())
}

// writeUntilKilled has several push and delete, and tells what they do.
func writeUntilKilled(ctx context.Context, path string, opts bolt.Options) error {
	if _, err := io.WriteString(os.Stdout, "started\n"); err != nil {
		return err
	}
	store, err := bolt.Open(path, opts)
	if err != nil {
		return err
	}
	if err := store.SetOutbox(ctx, true); err != nil {
		return err
	}
	failed := make(chan error)
	forever := func(work func(context.Context, *bolt.Store) error) {
		for {
			if err := work(ctx, store); err != nil {
				failed <- err
			}
		}
	}
	for range 8 {
		go forever(pushAndDelete)
	}
	for range 2 {
		go forever(replaceOver)
	}
	go forever(rebuildFromLive)
	go forever(mirrorChanges)
	return <-failed
}

func pushAndDelete(ctx context.Context, store *bolt.Store) error {
	what := fmt.Sprint(rand.Uint64())
	kinds := []index.IntentKind{index.IntentPush, index.IntentDelete, index.IntentPush}
	for _, kind := range kinds[:1+rand.IntN(len(kinds))] {
		// A line is written at once, so that a kill does not cut it.
		tell := func(event string) error {
			_, err := fmt.Printf("%s %s %s\n", event, kind, what)
			return err
		}
		if err := tell("trying"); err != nil {
			return err
		}
		id, err := store.Begin(ctx, index.Intent{Kind: kind, Record: someRecord(what, crashSubject(what)), Deadline: time.Now().Add(time.Hour)})
		if err != nil {
			return err
		}
		if err := tell("begun"); err != nil {
			return err
		}
		if err := store.Confirm(ctx, id, time.Now()); err != nil {
			return err
		}
		if err := tell("acknowledged"); err != nil {
			return err
		}
	}
	return nil
}
