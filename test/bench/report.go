package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// report is what a run found, as report.json has it.
type report struct {
	Date        time.Time   `json:"date"`
	Command     string      `json:"command"`
	Environment environment `json:"environment"`
	Results     []result    `json:"results"`
	Goals       []goal      `json:"goals"`
	Notes       []string    `json:"notes,omitempty"`
	// Failures are why something was not measured.
	Failures []string `json:"failures,omitempty"`
}

func (b *bench) newReport(ctx context.Context) (*report, error) {
	environment, err := b.environment(ctx)
	if err != nil {
		return nil, err
	}
	command := strings.Join(append([]string{"test/bench/run"}, publicArguments(os.Args[1:])...), " ")
	return &report{Date: time.Now().UTC().Truncate(time.Second), Command: command, Environment: environment}, nil
}

// publicArguments leaves out those that name folders of this machine.
func publicArguments(args []string) []string {
	var shown []string
	for i := 0; i < len(args); i++ {
		name, _, joined := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if slices.Contains([]string{"out", "temp", "tools", "backref", "before"}, name) {
			if !joined {
				i++
			}
			continue
		}
		shown = append(shown, args[i])
	}
	return shown
}

// result is what a comparison found.
type result struct {
	Name       string            `json:"name"`
	About      string            `json:"about"`
	Metrics    []string          `json:"metrics"`
	Contenders []contenderResult `json:"contenders"`

	bases []string
}

// contenderResult is what was measured of a contender.
type contenderResult struct {
	Name    string     `json:"name"`
	Skipped string     `json:"skipped,omitempty"`
	Rounds  []measured `json:"rounds,omitempty"`
	// Absolute are the values of each metric over the rounds, Ratios those of
	// the first metric by the contender that they are put in relation to.
	Absolute map[string]*spread `json:"absolute,omitempty"`
	Ratios   map[string]*spread `json:"ratios,omitempty"`
}

// measured is one round: values, or why there are none.
type measured struct {
	Values  sample `json:"values,omitempty"`
	Invalid string `json:"invalid,omitempty"`
}

func newResult(c comparison) result {
	r := result{Name: c.name, About: c.about, Metrics: c.metrics, bases: c.bases}
	for _, contender := range c.contenders {
		r.Contenders = append(r.Contenders, contenderResult{Name: contender.name, Skipped: contender.skipped})
	}
	return r
}

// rounds returns the rounds of a contender.
func (r *result) rounds(contender string) []measured {
	for _, c := range r.Contenders {
		if c.Name == contender {
			return c.Rounds
		}
	}
	return nil
}

// values returns a metric of a contender, nil where it was not measured.
func (r *result) values(contender, metric string) *spread {
	var values []float64
	for _, round := range r.rounds(contender) {
		if value, measured := round.Values[metric]; measured {
			values = append(values, value)
		}
	}
	return newSpread(values)
}

// ratio puts a contender in relation to another within each round, nil where
// no round has both. Where the other one has no such metric of the large
// subject, it is that of its other subjects.
func (r *result) ratio(contender, base, metric string) *spread {
	of, to := r.rounds(contender), r.rounds(base)
	var values []float64
	for i := range min(len(of), len(to)) {
		value, measured := of[i].Values[metric]
		divisor, both := to[i].Values[metric]
		if !both {
			divisor, both = to[i].Values[strings.TrimPrefix(metric, ofLarge)]
		}
		if measured && both && divisor > 0 {
			values = append(values, value/divisor)
		}
	}
	return newSpread(values)
}

// summarize fills in what follows from the rounds.
func (r *result) summarize() {
	for i := range r.Contenders {
		c := &r.Contenders[i]
		c.Absolute, c.Ratios = map[string]*spread{}, map[string]*spread{}
		for _, metric := range r.Metrics {
			if s := r.values(c.Name, metric); s != nil {
				c.Absolute[metric] = s
			}
		}
		for _, base := range r.bases {
			if s := r.ratio(c.Name, base, r.Metrics[0]); s != nil {
				c.Ratios[base] = s
			}
		}
	}
}

// write writes both forms of the report into a folder.
func (r *report) write(folder string) error {
	for i := range r.Results {
		r.Results[i].summarize()
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	encoded, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "report.json"), append(encoded, '\n'), 0o644),
		os.WriteFile(filepath.Join(folder, "report.md"), []byte(r.markdown()), 0o644),
	)
}
