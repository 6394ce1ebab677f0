package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/backref/backref/oci"
)

// operations adds the pages of operators: they ask the admin API, within the process,
// as its other clients do.
//
//	/operations                    numbers of the index, and what can be done
//	/operations/intents            what is open
//	/operations/decisions          what was denied and deleted, by which rule
//	/operations/work/<kind>        a rebuild, a verification, a dry run of retention:
//	                               POST begins one, or with stop= ends it; GET shows how
//	                               far it is, or what came of it
func (u *UI) operations(pages chi.Router) {
	pages.Get("/operations", u.page("operations", (*visit).showOperations))
	pages.Get("/operations/intents", u.page("intents", (*visit).intents))
	pages.Get("/operations/decisions", u.page("decisions", (*visit).decisions))
	pages.Get("/operations/work/{kind}", u.page("work", (*visit).showWork))
	pages.Post("/operations/work/{kind}", u.act((*visit).changeWork))
}

// Bounds of what is read of the admin API.
const (
	maxOperationsAnswer = 1 << 20
)

// askOperations asks the admin API. The answer is a success, or an error.
func (u *UI) askOperations(ctx context.Context, from *http.Request, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://operations"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := inProcess{door: u.options.Operations, host: "operations", viewer: from}.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxOperationsAnswer))
	if err != nil {
		return nil, err
	}
	var answer struct{ Errors []struct{ Message string } }
	if err := json.Unmarshal(text, &answer); err == nil && len(answer.Errors) > 0 {
		return nil, operationsError(answer.Errors[0].Message)
	}
	return nil, fmt.Errorf("%s is answered with %d", path, resp.StatusCode)
}

// operationsError is what the admin API says that it can't do. It is for operators, and
// shown to them.
type operationsError string

func (e operationsError) Error() string { return string(e) }

// operationsPage shows how the index fares.
type operationsPage struct {
	Stats indexStats `json:"stats"`
	Works []workView `json:"works"`
}

// indexStats are the numbers of the index, as the admin API says them.
type indexStats struct {
	Repositories int64 `json:"repositories"`
	Records      int64 `json:"records"`
	Referrers    int64 `json:"referrers"`
	Unheld       int64 `json:"unheld"`
	Edges        int64 `json:"edges"`
	Intents      int64 `json:"intents"`
	Removals     int64 `json:"removals"`
	Bytes        int64 `json:"bytes"`
	Rebuilding   int64 `json:"rebuilding"`
}

// PageTitle implements titled.
func (operationsPage) PageTitle() string { return "Operations" }

func (v *visit) showOperations() (any, error) {
	resp, err := v.ui.askOperations(v.request.Context(), v.request, http.MethodGet, "/stats", nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var page operationsPage
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxOperationsAnswer)).Decode(&page.Stats); err != nil {
		return nil, err
	}
	for _, kind := range workKinds() {
		page.Works = append(page.Works, v.ui.works.view(kind))
	}
	return page, nil
}

// intentsPage lists what is open.
type intentsPage struct {
	Intents []openIntent `json:"intents"`
	Cut     bool         `json:"cut,omitempty"`
}

// openIntent is a push or delete that is under way, or whose outcome is not known.
type openIntent struct {
	ID     uint64 `json:"id"`
	Kind   string `json:"kind"`
	Record struct {
		Repository   string `json:"repository"`
		Digest       string `json:"digest"`
		ArtifactType string `json:"artifactType,omitempty"`
	} `json:"record"`
	Tag       string    `json:"tag,omitempty"`
	Deadline  time.Time `json:"deadline"`
	Contended bool      `json:"contended,omitempty"`
}

// Overdue tells whether the intent should be settled by now.
func (i openIntent) Overdue() bool { return time.Now().After(i.Deadline) }

// PageTitle implements titled.
func (intentsPage) PageTitle() string { return "What is open" }

// maxOperationsRows is how many rows a page of operators shows.
const maxOperationsRows = 200

func (v *visit) intents() (any, error) {
	page := intentsPage{Intents: []openIntent{}}
	err := eachLine(v, "/intents", func(intent openIntent) bool {
		page.Intents = append(page.Intents, intent)
		page.Cut = len(page.Intents) == maxOperationsRows
		return !page.Cut
	})
	return page, err
}

// decisionsPage lists what was denied and deleted, the newest first.
type decisionsPage struct {
	Repository string `json:"repository,omitempty"`
	Rule       string `json:"rule,omitempty"`
	Outcome    string `json:"outcome,omitempty"`
	// Since is how far back it looks, as it was asked for.
	Since     string     `json:"since"`
	Decisions []decision `json:"decisions"`
	Cut       bool       `json:"cut,omitempty"`
}

// decision is a record of the audit, as the admin API says it.
type decision struct {
	Time        time.Time `json:"time"`
	Outcome     string    `json:"outcome"`
	Action      string    `json:"action"`
	Repository  string    `json:"repository,omitempty"`
	Tag         string    `json:"tag,omitempty"`
	Digest      string    `json:"digest,omitempty"`
	Rule        string    `json:"rule,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	User        string    `json:"user,omitempty"`
	UserClaimed bool      `json:"userClaimed,omitempty"`
	Client      string    `json:"client,omitempty"`
	UserAgent   string    `json:"userAgent,omitempty"`
	Request     string    `json:"request,omitempty"`
	Repeated    int       `json:"repeated,omitempty"`
}

// PageTitle implements titled.
func (decisionsPage) PageTitle() string { return "Decisions" }

// lastDay is how far back decisions are shown where nothing else is asked for.
const lastDay = "24h"

func (v *visit) decisions() (any, error) {
	query := v.request.URL.Query()
	page := decisionsPage{
		Repository: strings.TrimSpace(query.Get("repository")), Rule: strings.TrimSpace(query.Get("rule")),
		Outcome: query.Get("outcome"), Since: query.Get("since"), Decisions: []decision{},
	}
	if page.Since == "" {
		page.Since = lastDay
	}
	back, err := time.ParseDuration(page.Since)
	if err != nil || back <= 0 {
		return nil, invalidError("since: need a time such as 24h")
	}
	asked := url.Values{"since": {time.Now().Add(-back).UTC().Format(time.RFC3339)}}
	for name, value := range map[string]string{"repository": page.Repository, "rule": page.Rule, "outcome": page.Outcome} {
		if value != "" {
			asked.Set(name, value)
		}
	}
	if _, err := oci.ParseGlob(page.Repository); page.Repository != "" && err != nil {
		return nil, invalidError("repository: " + err.Error())
	}
	// They come by time: the last of them are shown.
	kept := make([]decision, 0, maxOperationsRows)
	number := 0
	err = eachLine(v, "/audit?"+asked.Encode(), func(d decision) bool {
		if len(kept) < maxOperationsRows {
			kept = append(kept, d)
		} else {
			kept[number%maxOperationsRows] = d
		}
		number++
		return true
	})
	for i := range kept {
		page.Decisions = append(page.Decisions, kept[(number-1-i)%maxOperationsRows])
	}
	page.Cut = number > maxOperationsRows
	return page, err
}

// eachLine hands what the admin API says line by line to take, until that wants no
// more.
func eachLine[L any](v *visit, path string, take func(L) (more bool)) error {
	resp, err := v.ui.askOperations(v.request.Context(), v.request, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := json.NewDecoder(resp.Body); ; {
		var line L
		switch err := lines.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case !take(line):
			return nil
		}
	}
}
