// Command write makes an index of the format that the checkout around it
// writes, and prints what that version itself reads from it. It is
// copied into checkouts of earlier versions, so that it uses only what all of
// them have: see README.md.
//
//	go run ./write FILE >FILE.txt
//	go run -tags postgres ./write URL >FILE.txt
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/opencontainers/go-digest"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "write: need one file or URL")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "write:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, where string) error {
	store, err := openStore(ctx, where)
	if err != nil {
		return err
	}
	err = write(ctx, store)
	if err == nil {
		err = show(ctx, store)
	}
	return errors.Join(err, store.Close())
}

// write makes what a server of some days has: records with and without a
// subject, replaced and deleted ones, requests whose end nobody knows, an
// outbox, and a rebuild that was killed.
func write(ctx context.Context, store index.Store) error {
	for _, record := range records() {
		if err := push(ctx, store, record); err != nil {
			return err
		}
	}
	if box, able := store.(interface {
		SetOutbox(ctx context.Context, on bool) error
	}); able {
		if err := box.SetOutbox(ctx, true); err != nil {
			return err
		}
	}
	gone := artifact("app", "gone", subject("image"))
	if err := push(ctx, store, gone); err != nil {
		return err
	}
	deletion := index.Intent{Kind: index.IntentDelete, Deadline: at(2)}
	deletion.Record.Repository, deletion.Record.Digest = gone.Repository, gone.Digest
	id, err := store.Begin(ctx, deletion)
	if err == nil {
		err = store.Confirm(ctx, id, at(3))
	}
	if err != nil {
		return err
	}
	if err := leaveOpen(ctx, store); err != nil {
		return err
	}
	return beginRebuild(ctx, store)
}

func push(ctx context.Context, store index.Store, record index.Record) error {
	id, err := store.Begin(ctx, index.Intent{Kind: index.IntentPush, Record: record, Deadline: at(1)})
	if err != nil {
		return err
	}
	return store.Confirm(ctx, id, at(1))
}

// leaveOpen begins a push, a delete and an import that nobody answers.
func leaveOpen(ctx context.Context, store index.Store) error {
	pushed := index.Intent{Kind: index.IntentPush, Record: artifact("app", "pushed", subject("image")), Deadline: at(5)}
	deleted := index.Intent{Kind: index.IntentDelete, Deadline: at(6)}
	deleted.Record.Repository, deleted.Record.Digest = "app", artifact("app", "sbom", subject("image")).Digest
	imported := index.Intent{Kind: index.IntentImport, Tag: oci.ReferrersTag(subject("image")), Deadline: at(7)}
	imported.Record.Repository = "app"
	for _, intent := range []index.Intent{pushed, deleted, imported} {
		if _, err := store.Begin(ctx, intent); err != nil {
			return err
		}
	}
	return nil
}

func beginRebuild(ctx context.Context, store index.Store) error {
	rebuilder, able := store.(interface {
		BeginRebuild(ctx context.Context) ([]byte, error)
		Fill(ctx context.Context, mark index.Mark, checkpoint []byte, records ...index.Record) error
	})
	if !able {
		return nil
	}
	if _, err := rebuilder.BeginRebuild(ctx); err != nil {
		return err
	}
	mark, err := store.Mark(ctx)
	if err != nil {
		return err
	}
	return rebuilder.Fill(ctx, mark, []byte("half way"), records()[:2]...)
}

// records are what is pushed.
func records() []index.Record {
	image := index.Record{Repository: "app", Seen: at(0), Manifest: index.Manifest{
		MediaType: "application/vnd.oci.image.manifest.v1+json", Digest: subject("image"), Size: 1234,
		Edges: []index.Edge{{Kind: index.EdgeConfig, Target: subject("config")}, {Kind: index.EdgeLayer, Target: subject("layer")}},
	}}
	odd := artifact("app", "odd", subject("image"))
	// None of them can be put between quotes as it is.
	odd.ArtifactType = `application/"quoted"\type`
	odd.Annotations = map[string]string{"a<b>&c": "line\nbreak \u2028 \"quotes\"", "ä": "\x00\x7f", "": "no name"}
	list := artifact("app", "list", subject("image"))
	list.MediaType = "application/vnd.oci.image.index.v1+json"
	list.ArtifactType, list.Annotations = "", nil
	other := artifact("app", "other", subject("image"))
	other.MediaType = "application/vnd.docker.distribution.manifest.v2+json"
	long := artifact("team/app", "long", digest.SHA512.FromString("image"))
	long.Digest = digest.SHA512.FromString("long")
	all := []index.Record{image, odd, list, other, long, artifact("app", "sbom", subject("image")), artifact("app", "signature", digestOf("sbom"))}
	for i := range 12 {
		all = append(all, artifact("zoo/many", fmt.Sprint(i), subject("image")))
	}
	return all
}

func artifact(repository, name string, subject digest.Digest) index.Record {
	return index.Record{Repository: repository, Seen: at(len(name)), Manifest: index.Manifest{
		MediaType: "application/vnd.oci.image.manifest.v1+json", Digest: digestOf(name), Size: int64(500 + len(name)),
		ArtifactType: "application/vnd.example." + name,
		Annotations:  map[string]string{"org.opencontainers.image.created": at(10 * len(name)).Format(time.RFC3339), "org.example.name": name},
		Edges: []index.Edge{
			{Kind: index.EdgeSubject, Target: subject}, {Kind: index.EdgeConfig, Target: digestOf("config")}, {Kind: index.EdgeLayer, Target: digestOf("layer of " + name)},
		},
	}}
}

func subject(name string) digest.Digest  { return digest.SHA256.FromString(name) }
func digestOf(name string) digest.Digest { return digest.SHA256.FromString("artifact " + name) }

// at is so many hours into the history of the index.
func at(hours int) time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC).Add(time.Duration(hours) * time.Hour)
}

// show prints what this version reads, a line each.
func show(ctx context.Context, store index.Store) error {
	var lines []string
	for _, wrote := range records() {
		record, err := store.Get(ctx, wrote.Repository, wrote.Digest)
		if err != nil {
			return err
		}
		line, err := recordLine(record)
		if err != nil {
			return err
		}
		lines = append(lines, line)
		more, err := relationLines(ctx, store, record)
		if err != nil {
			return err
		}
		lines = append(lines, more...)
	}
	open, err := store.Unsettled(ctx, "app", subject("image"))
	if err != nil {
		return err
	}
	for _, intent := range open {
		lines = append(lines, fmt.Sprintf("open %s %s %s %s until %s", intent.Kind, intent.Record.Repository, intent.Record.Digest, intent.Tag, intent.Deadline.UTC().Format(time.RFC3339Nano)))
	}
	slices.Sort(lines)
	for _, line := range slices.Compact(lines) {
		fmt.Println(line)
	}
	return nil
}

func recordLine(record index.Record) (string, error) {
	annotations, err := json.Marshal(record.Annotations)
	line := fmt.Sprintf("record %s %s %s %d %q %s seen %s", record.Repository, record.Digest, record.MediaType, record.Size, record.ArtifactType, annotations, record.Seen.UTC().Format(time.RFC3339Nano))
	for _, edge := range record.Edges {
		line += fmt.Sprintf(" %s=%s", edge.Kind, edge.Target)
	}
	return line, err
}

// relationLines shows the listing that a record is in, and the manifests that
// name its last edge.
func relationLines(ctx context.Context, store index.Store, record index.Record) ([]string, error) {
	var lines []string
	if subject := record.Subject(); subject != "" {
		page, err := store.Referrers(ctx, record.Repository, subject, index.Query{})
		if err != nil {
			return nil, err
		}
		for i, referrer := range page.Referrers {
			lines = append(lines, fmt.Sprintf("listing %s@%s %02d %s", record.Repository, subject, i, referrer.Descriptor))
		}
	}
	target := record.Edges[len(record.Edges)-1].Target
	parents, err := store.Parents(ctx, record.Repository, target, index.Parent{}, 0)
	for i, parent := range parents {
		lines = append(lines, fmt.Sprintf("parent %s@%s %02d %s %s", record.Repository, target, i, parent.Kind, parent.Digest))
	}
	return lines, err
}
