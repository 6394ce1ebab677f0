package main

import (
	"context"
	"net/http"
	"time"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index/postgres"
)

// clockTolerance is by how much clocks may differ: tokens hold for a minute at
// least.
const clockTolerance = time.Minute

// clockChecks compare the clock of this machine with others.
func (d *doctor) clockChecks() []check {
	checks := []check{{"clock.upstream", d.checkUpstreamClock}}
	if d.cfg.Index.Postgres.URL != "" {
		checks = append(checks, check{"clock.database", d.checkDatabaseClock})
	}
	return checks
}

// checkUpstreamClock compares it with the registry's.
func (d *doctor) checkUpstreamClock(context.Context) []finding {
	if d.door.response == nil {
		return one(notCheckedf("the registry gave no answer to compare with"))
	}
	said, err := http.ParseTime(d.door.response.Header.Get("Date"))
	if err != nil {
		return one(notCheckedf("the registry does not say what time it has"))
	}
	return one(judgeClock("the registry", said, d.door.asked, d.door.answered))
}

// checkDatabaseClock compares it with the database's.
func (d *doctor) checkDatabaseClock(ctx context.Context) []finding {
	asked := d.now()
	looked, err := lookAtDatabase(ctx, d.cfg.Index.Postgres)
	if err != nil {
		return one(notCheckedf("the database can't be asked"))
	}
	return one(judgeClock("the database", looked.Now, asked, d.now()))
}

func lookAtDatabase(ctx context.Context, cfg config.IndexPostgres) (postgres.Looked, error) {
	password, err := cfg.ReadPassword()
	if err != nil {
		return postgres.Looked{}, err
	}
	return postgres.Look(ctx, postgres.Options{URL: cfg.URL, Password: password, Schema: cfg.Schema})
}

// judgeClock judges by what another clock said between two times of this one.
func judgeClock(whose string, said, before, after time.Time) finding {
	difference := time.Duration(0)
	switch {
	case said.Before(before.Truncate(time.Second)): // A Date has no fractions.
		difference = before.Sub(said)
	case said.After(after):
		difference = -said.Sub(after)
	}
	switch rounded := difference.Abs().Round(time.Second); {
	case difference.Abs() <= clockTolerance:
		return okf("%s has the same time, within %s", whose, clockTolerance)
	case difference > 0:
		return warnf("%s is %s behind this machine: tokens and deadlines go wrong", whose, rounded).advise("set both clocks by NTP")
	default:
		return warnf("%s is %s ahead of this machine: tokens and deadlines go wrong", whose, rounded).advise("set both clocks by NTP")
	}
}
