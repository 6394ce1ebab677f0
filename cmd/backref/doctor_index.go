package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/bolt"
)

// holding is what the index holds, as far as a check has found it.
type holding struct {
	stats   index.Stats
	intents []index.Intent
	// unknown says why it isn't known; empty where it is.
	unknown string
}

// indexChecks look at the index.
func (d *doctor) indexChecks() []check {
	open := check{"index.file", d.checkIndexFile}
	if d.cfg.Index.Postgres.URL != "" {
		open = check{"index.database", d.checkDatabase}
	}
	return []check{
		open,
		{"index.intents", d.checkIntents},
		{"index.held", d.checkHeld},
		{"index.verified", d.checkVerified},
	}
}

// checkIndexFile tells whether the file can be used, and who uses it.
func (d *doctor) checkIndexFile(ctx context.Context) []finding {
	asked := d.askServer(ctx)
	path := d.cfg.Index.Path
	if _, set := d.set[keyIndexPath]; d.named != "" && !set {
		if d.server == nil {
			return one(notCheckedf("%s", d.noServer))
		}
		if asked != nil {
			return one(failf("the server does not tell what its index holds: %v", asked).advise("give its token by --admin-token-file"))
		}
		return one(okf("the server at %s holds the index, of %s", d.server.base, sizeText(d.held.stats.Bytes)))
	}
	looked, err := bolt.Look(ctx, path)
	if err == nil && looked.Current && asked != nil {
		d.held = holding{stats: looked.Stats, intents: looked.Intents}
	}
	return one(d.judgeFile(path, looked, err, asked))
}

// judgeFile judges by what was found in a file, or why nothing was. asked says why
// the server was not asked; nil where it was.
func (d *doctor) judgeFile(path string, looked bolt.Looked, err, asked error) finding {
	switch {
	case errors.Is(err, index.ErrInUse) && asked == nil:
		return okf("%s is held by the server at %s", path, d.server.base)
	case errors.Is(err, index.ErrInUse) && d.server != nil:
		return failf("%s is in use, and the server does not tell what it holds: %v", path, asked).advise("give the token of its admin.tokenFile by --admin-token-file")
	case errors.Is(err, index.ErrInUse):
		return warnf("%s is in use by another process%s, and %s", path, holderOf(path), d.noServer).
			advise("name the admin listener of that server by --admin; what is no server has to end before one can start")
	case errors.Is(err, fs.ErrNotExist):
		return notCheckedf("there is no file %s yet", path).advise("backref serve makes it, backref index rebuild fills it from the registry")
	case errors.Is(err, index.ErrFormat):
		return failf("%v", err).advise("run the later version of backref that wrote it, or move it away and run backref index rebuild")
	case errors.Is(err, index.ErrDamaged):
		return failf("%v", err).advise("restore it from a backup, or move it away and run backref index rebuild")
	case err != nil:
		return failf("%v", err).advise("let the user of the server read and write it")
	case looked.Format == 0:
		return okf("%s is empty: backref serve makes an index of it", path)
	case !looked.Current:
		return warnf("%s has format %d, of an earlier version: the next start brings it forward, and no earlier version can open it then", path, looked.Format).
			advise("take a copy before, if you want a way back")
	case d.server != nil:
		return warnf("%s can be opened: the server at %s does not hold it", path, d.server.base).advise("name the file that it holds by --index, or the server that is meant by --admin")
	default:
		return okf("%s can be opened: format %d, %s", path, looked.Format, sizeText(looked.Stats.Bytes))
	}
}

// askServer asks the server what its index holds.
func (d *doctor) askServer(ctx context.Context) error {
	d.held = holding{unknown: d.noServer}
	if d.server == nil {
		return errors.New(d.noServer)
	}
	stats, err := d.server.Stats(ctx)
	var lines bytes.Buffer
	if err == nil {
		err = d.server.Intents(ctx, &lines)
	}
	var intents []index.Intent
	for decoder := json.NewDecoder(&lines); err == nil; {
		var intent index.Intent
		switch err = decoder.Decode(&intent); {
		case err == nil:
			intents = append(intents, intent)
		case errors.Is(err, io.EOF):
			d.held = holding{stats: stats, intents: intents}
			return nil
		}
	}
	d.held.unknown = fmt.Sprintf("the server does not tell: %v", err)
	return err
}

// checkDatabase tells whether the database can be used.
func (d *doctor) checkDatabase(ctx context.Context) []finding {
	asked := d.askServer(ctx)
	looked, err := lookAtDatabase(ctx, d.cfg.Index.Postgres)
	schema := d.cfg.Index.Postgres.Schema
	switch {
	case errors.Is(err, index.ErrFormat):
		return one(failf("%v", err).advise("run the later version of backref that made schema %s, or give another by index.postgres.schema", schema))
	case err != nil:
		return one(failf("%v", err).advise("check index.postgres.url, its password and the database"))
	case looked.Standby:
		return one(failf("PostgreSQL %s is a standby, and the index needs the primary", looked.Server).advise("name the primary in index.postgres.url, or several hosts with target_session_attrs=read-write"))
	case looked.Format == 0:
		return one(okf("PostgreSQL %s has no schema %s yet: backref serve makes it", looked.Server, schema))
	case asked != nil:
		return one(okf("PostgreSQL %s has the index in schema %s; no server tells what it holds", looked.Server, schema))
	default:
		return one(okf("PostgreSQL %s has the index in schema %s", looked.Server, schema))
	}
}

// checkIntents tells whether pushes or deletes stay open.
func (d *doctor) checkIntents(context.Context) []finding {
	if d.held.unknown != "" {
		return one(notCheckedf("%s", d.held.unknown))
	}
	return one(judgeIntents(d.held.intents, d.now()))
}

// overdue is how long an intent may be open once its request is over: the settler
// lets those that it can't settle rest for an hour at most.
const overdue = time.Hour

// judgeIntents judges by what is open, and how long it has been over. A removal has
// no request that could be.
func judgeIntents(intents []index.Intent, now time.Time) finding {
	intents = slices.DeleteFunc(slices.Clone(intents), func(intent index.Intent) bool { return intent.Kind == index.IntentRemoval })
	late, oldest := 0, now
	for _, intent := range intents {
		if intent.Deadline.Before(now) {
			late++
		}
		if intent.Deadline.Before(oldest) {
			oldest = intent.Deadline
		}
	}
	switch {
	case len(intents) == 0:
		return okf("no push or delete is open")
	case late == 0:
		return okf("%d pushes or deletes are under way", len(intents))
	}
	age := ageText(oldest, now)
	if now.Sub(oldest) < overdue {
		return okf("%d pushes or deletes are open; of %d the outcome is not known, for %s at most", len(intents), late, age)
	}
	return warnf("of %d pushes or deletes the outcome is not known, of one for %s", late, age).
		advise("set upstream.service, so that they are settled without a client; backref index intents lists them")
}

// checkHeld tells which part of the referrers the registry's garbage collection
// leaves.
func (d *doctor) checkHeld(context.Context) []finding {
	if d.held.unknown != "" {
		return one(notCheckedf("%s", d.held.unknown))
	}
	return one(judgeHeld(d.held.stats))
}

func judgeHeld(stats index.Stats) finding {
	switch {
	case stats.Referrers == 0:
		return okf("the index has no referrers yet")
	case stats.Unheld == 0:
		return okf("none of %d referrers is known to lack its hidden tag", stats.Referrers)
	default:
		held := 100 * float64(stats.Referrers-stats.Unheld) / float64(stats.Referrers)
		return warnf("%d of %d referrers have no hidden tag (%.1f %% do): garbage collection of the registry may drop them", stats.Unheld, stats.Referrers, held).
			advise("backref tags hold says which, and backref tags hold --yes gives them theirs; see hidden tags in docs/maintenance.md")
	}
}

// checkVerified tells whether the index is compared with the registry.
func (d *doctor) checkVerified(context.Context) []finding {
	const verify = "run backref index verify from time to time"
	switch {
	case d.server == nil:
		return one(notCheckedf("%s", d.noServer))
	case d.cfg.Upstream.URL != nil && d.cfg.Reconcile.VerifyInterval == 0:
		return one(warnf("reconcile.verifyInterval is 0: nothing compares the index with the registry").advise("set it, or " + verify))
	}
	looked, known := d.metric("backref_patrol_records_total")
	dropped, _ := d.metric("backref_patrol_dropped_total")
	switch {
	case !known:
		return one(warnf("the server verifies nothing: it has no credentials of its own, or reconcile.verifyInterval is 0").advise("set upstream.service, or " + verify))
	case looked == 0:
		return one(notCheckedf("the server has compared no record with the registry since its start").advise("to have all compared now, run backref index verify"))
	default:
		return one(okf("since its start the server has compared %.0f records with the registry, and dropped %.0f", looked, dropped))
	}
}
