package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/backref/backref/client"
)

// result is what a check came to.
type result string

// The results. What could not be looked at is none of the others.
const (
	resultOK         result = "ok"
	resultWarn       result = "warn"
	resultFail       result = "fail"
	resultNotChecked result = "not checked"
)

// finding is what a check found.
type finding struct {
	// Check is the name of the check, Result one of a few words.
	Check  string `json:"check"`
	Result result `json:"result"`
	// Message says what was found, Advice what to do about it, by the key of the
	// configuration or by a command.
	Message string `json:"message"`
	Advice  string `json:"advice,omitempty"`
}

// advise says what to do about a finding.
func (f finding) advise(format string, args ...any) finding {
	f.Advice = fmt.Sprintf(format, args...)
	return f
}

func okf(format string, args ...any) finding {
	return finding{Result: resultOK, Message: fmt.Sprintf(format, args...)}
}

func warnf(format string, args ...any) finding {
	return finding{Result: resultWarn, Message: fmt.Sprintf(format, args...)}
}

func failf(format string, args ...any) finding {
	return finding{Result: resultFail, Message: fmt.Sprintf(format, args...)}
}

// notCheckedf says why something could not be looked at.
func notCheckedf(format string, args ...any) finding {
	return finding{Result: resultNotChecked, Message: fmt.Sprintf(format, args...)}
}

// one is the usual outcome of a check.
func one(f finding) []finding { return []finding{f} }

// health is what a doctor reports.
type health struct {
	// Version is that of the program that looked, At when it began.
	Version string    `json:"version"`
	At      time.Time `json:"at"`
	// Healthy says that nothing failed.
	Healthy bool `json:"healthy"`
	// Counts says how many findings have which result.
	Counts   healthCounts `json:"counts"`
	Findings []finding    `json:"findings"`
}

type healthCounts struct {
	OK         int `json:"ok"`
	Warn       int `json:"warn"`
	Fail       int `json:"fail"`
	NotChecked int `json:"notChecked"`
}

// count sums the findings up.
func (h *health) count() {
	h.Counts = healthCounts{}
	for _, f := range h.Findings {
		switch f.Result {
		case resultOK:
			h.Counts.OK++
		case resultWarn:
			h.Counts.Warn++
		case resultFail:
			h.Counts.Fail++
		case resultNotChecked:
			h.Counts.NotChecked++
		}
	}
	h.Healthy = h.Counts.Fail == 0
}

// show writes a line for each finding, and one for its advice.
func (h *health) show(s *sheet) {
	const mark = len(resultNotChecked)
	widest := 0
	for _, f := range h.Findings {
		widest = max(widest, len(f.Check))
	}
	said := finding{}
	for _, f := range h.Findings {
		if again := f; f.Result == resultNotChecked {
			if f.Result == said.Result && f.Message == said.Message {
				f.Message, f.Advice = "as above", ""
			}
			said = again
		}
		_, _ = fmt.Fprintf(s, "%s  %-*s  %s\n", s.styled(f.Result.style(), fmt.Sprintf("%-*s", mark, string(f.Result))),
			widest, f.Check, client.Printable(f.Message))
		if f.Advice != "" {
			_, _ = fmt.Fprintf(s, "%s→ %s\n", strings.Repeat(" ", mark+gap+widest+gap), client.Printable(f.Advice))
		}
	}
	_, _ = fmt.Fprintf(s, "\n%d ok, %d warn, %d fail, %d not checked\n", h.Counts.OK, h.Counts.Warn, h.Counts.Fail, h.Counts.NotChecked)
}

// style returns how a result looks where there are colours. Words alone tell it
// too.
func (r result) style() string {
	switch r {
	case resultOK:
		return styleGreen
	case resultWarn:
		return styleYellow
	case resultFail:
		return styleRed
	default:
		return styleFaint
	}
}
