package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// sample is what one measurement found: values by the name of their metric.
type sample map[string]float64

// comparison lets contenders do the same work.
type comparison struct {
	name, about string
	// metrics are the names of the values, the one that counts first.
	metrics []string
	// bases are the contenders that the others are put in relation to.
	bases      []string
	contenders []contender
	// warm says that what is first done is slower: it is done once more before
	// it counts.
	warm bool
}

// contender is one of those that do the work.
type contender struct {
	name string
	// measure does the work for about the given time.
	measure func(ctx context.Context, duration time.Duration) (sample, error)
	// skipped says why there is nothing to measure; empty where there is.
	skipped string
}

// family is a group of scenarios that are prepared together.
type family struct {
	// cases are the names of its comparisons.
	cases   []string
	prepare func(ctx context.Context, s *stage) ([]comparison, error)
}

func families(o options) []family {
	return []family{
		referrersFamily(), manifestsFamily(), blobsFamily(), pushesFamily(), hiddenFamily(), digestsFamily(), copiesFamily(),
		sizeFamily(o.size), postgresSizeFamily(o.size), rebuildFamily(), sharedFamily(),
		typedFamily(typedScenario), typedFamily(typedPostgresScenario), openFamily(o.openReferrers), tlsFamily(), sidecarFamily(),
	}
}

// bench is one run.
type bench struct {
	options
	log io.Writer
}

// measure runs the selected scenarios and writes the report, of what there is
// where the run is broken off.
func measure(ctx context.Context, o options, log io.Writer) error {
	b := &bench{options: o, log: log}
	if o.list {
		for _, f := range families(o) {
			for _, name := range f.cases {
				_, _ = fmt.Fprintln(log, name)
			}
		}
		return nil
	}
	report, err := b.newReport(ctx)
	if err != nil {
		return err
	}
	for _, f := range families(o) {
		if !slices.ContainsFunc(f.cases, o.scenario.MatchString) {
			continue
		}
		if err := b.family(ctx, f, report); err != nil {
			if ctx.Err() != nil {
				report.Failures = append(report.Failures, "the run was broken off")
				break
			}
			b.say("%v", err)
			report.Failures = append(report.Failures, err.Error())
		}
	}
	report.Goals = judge(report.Results)
	if err := report.write(o.out); err != nil {
		return err
	}
	b.say("written: %s/report.md and report.json", o.out)
	if n := len(report.Failures); n > 0 {
		return fmt.Errorf("%d failures, the first: %s", n, report.Failures[0])
	}
	return ctx.Err()
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.log, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// family measures the comparisons of a family that are selected.
func (b *bench) family(ctx context.Context, f family, report *report) error {
	stage, err := b.newStage(ctx)
	if err != nil {
		return err
	}
	defer stage.close()
	b.say("preparing %s and others", f.cases[0])
	comparisons, err := f.prepare(ctx, stage)
	if err != nil {
		return fmt.Errorf("prepare %s and others: %w", f.cases[0], err)
	}
	comparisons = slices.DeleteFunc(comparisons, func(c comparison) bool { return !b.scenario.MatchString(c.name) })
	first := len(report.Results)
	for _, c := range comparisons {
		report.Results = append(report.Results, newResult(c))
	}
	for round := range b.rounds + 1 {
		for i, c := range comparisons {
			if err := b.round(ctx, round, c, &report.Results[first+i]); err != nil {
				return err
			}
		}
	}
	report.Notes = append(report.Notes, stage.notes...)
	return nil
}

// warmUp is the most time that a measurement takes which doesn't count.
const warmUp = time.Second

// round lets all contenders of a comparison do their work once. Round 0 warms
// up.
func (b *bench) round(ctx context.Context, round int, c comparison, into *result) error {
	duration := b.duration
	if round == 0 {
		if !c.warm {
			return nil
		}
		duration = min(duration, warmUp)
	}
	for i, contender := range c.contenders {
		if contender.skipped != "" {
			continue
		}
		values, err := contender.measure(ctx, duration)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case round == 0:
			continue
		case err != nil:
			b.say("round %d %s %s: INVALID: %v", round, c.name, contender.name, err)
			into.Contenders[i].Rounds = append(into.Contenders[i].Rounds, measured{Invalid: err.Error()})
		default:
			b.say("round %d %s %s: %s %s", round, c.name, contender.name, figure(values[c.metrics[0]]), c.metrics[0])
			into.Contenders[i].Rounds = append(into.Contenders[i].Rounds, measured{Values: values})
		}
	}
	return nil
}
