package ui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"
)

// workKind is what an operator can begin on a page.
type workKind string

// The kinds of work, as their addresses have them.
const (
	workRebuild   workKind = "rebuild"
	workVerify    workKind = "verify"
	workRetention workKind = "retention"
)

func workKinds() []workKind { return []workKind{workRebuild, workVerify, workRetention} }

// request returns how the admin API is asked for the work. A page only tries
// retention: what deletes is for the command line.
func (k workKind) request() (path, body string) {
	switch k {
	case workRebuild:
		return "/rebuild", "{}"
	case workVerify:
		return "/verify", "{}"
	default:
		return "/retain", `{"dryRun":true}`
	}
}

// Title is what people call the work.
func (k workKind) Title() string {
	switch k {
	case workRebuild:
		return "Rebuild"
	case workVerify:
		return "Verification"
	default:
		return "Dry run of retention"
	}
}

// maxWorkRows is how many lines of a run are kept to be shown.
const maxWorkRows = 500

// errUnderWay says that there is a run already.
const errUnderWay = invalidError("it is under way already")

// works are the runs that viewers began in this process, the last of each kind.
type works struct {
	mutex sync.Mutex
	runs  map[workKind]*run
	// ended says that no more may begin.
	ended   bool
	running sync.WaitGroup
}

// run is a piece of work. Its view is guarded by the mutex of works.
type run struct {
	stop context.CancelFunc
	view workView
}

// workView is a run as it is shown.
type workView struct {
	Kind    workKind `json:"kind"`
	Running bool     `json:"running"`
	// Began and Ended are zero where it has not.
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Progress, Report and Rows are what the admin API says.
	Progress *workProgress    `json:"progress,omitempty"`
	Report   map[string]any   `json:"report,omitempty"`
	Rows     []map[string]any `json:"rows,omitempty"`
	// Number counts all rows, of which the first are kept.
	Number int    `json:"number,omitempty"`
	Error  string `json:"error,omitempty"`
}

// workProgress is how far a rebuild is.
type workProgress struct {
	Phase             string `json:"phase"`
	Repositories      int    `json:"repositories"`
	RepositoriesTotal int    `json:"repositoriesTotal"`
	Manifests         int    `json:"manifests"`
}

// PageTitle implements titled.
func (w workView) PageTitle() string { return w.Kind.Title() }

// Rowed tells how the rows of the kind are shown.
func (w workView) Rowed(kind string) bool { return string(w.Kind) == kind }

// number is one of a report, with its name in words.
type number struct{ Name, Value string }

// Numbers returns the numbers of the report, by name.
func (w workView) Numbers() []number {
	var numbers []number
	for _, name := range slices.Sorted(maps.Keys(w.Report)) {
		if value, is := w.Report[name].(json.Number); is {
			numbers = append(numbers, number{words(name), rounded(value)})
		}
	}
	return numbers
}

// rounded writes a number with one place behind the point, where it has any.
func rounded(n json.Number) string {
	if _, err := n.Int64(); err == nil {
		return n.String()
	}
	value, err := n.Float64()
	if err != nil {
		return n.String()
	}
	return strconv.FormatFloat(value, 'f', 1, 64)
}

// Failures returns what could not be read, as far as the report names it.
func (w workView) Failures() []string {
	var failures []string
	listed, _ := w.Report["failures"].([]any)
	for _, entry := range listed {
		failed, _ := entry.(map[string]any)
		failures = append(failures, strings.TrimSpace(fmt.Sprint(text(failed["repository"]), " ", text(failed["reference"]), ": ", text(failed["error"]))))
	}
	return failures
}

// text returns a value of JSON that is a text; empty for others.
func text(value any) string {
	s, _ := value.(string)
	return s
}

// words writes the name of a field in words: repositoriesTotal, repositories total.
func words(name string) string {
	var spaced strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) {
			spaced.WriteByte(' ')
		}
		spaced.WriteRune(unicode.ToLower(r))
	}
	return spaced.String()
}

// view returns what there is of the last run of a kind.
func (w *works) view(kind workKind) workView {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	last := w.runs[kind]
	if last == nil {
		return workView{Kind: kind}
	}
	view := last.view
	view.Rows = slices.Clone(view.Rows)
	return view
}

// Run waits until ctx ends, then ends what viewers began and waits for that.
func (u *UI) Run(ctx context.Context) {
	<-ctx.Done()
	u.works.mutex.Lock()
	u.works.ended = true
	for _, r := range u.works.runs {
		r.stop()
	}
	u.works.mutex.Unlock()
	u.works.running.Wait()
}

// beginWork begins a run, unless one is under way.
func (u *UI) beginWork(kind workKind, from *http.Request) error {
	w := &u.works
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if last := w.runs[kind]; w.ended || last != nil && last.view.Running {
		return errUnderWay
	}
	// It goes on when the viewer has left.
	ctx, stop := context.WithCancel(context.WithoutCancel(from.Context()))
	r := &run{stop: stop, view: workView{Kind: kind, Running: true, Began: time.Now()}}
	if w.runs == nil {
		w.runs = make(map[workKind]*run)
	}
	w.runs[kind] = r
	w.running.Go(func() {
		defer stop()
		err := u.work(ctx, from, r)
		w.mutex.Lock()
		defer w.mutex.Unlock()
		r.view.Running, r.view.Ended = false, time.Now()
		switch {
		case errors.Is(err, context.Canceled):
			r.view.Error = "it was stopped"
		case errors.Is(err, errBroken):
			u.options.Log.Error("work was broken off", zap.String("work", string(kind)), zap.Error(err))
			r.view.Error = "it was broken off; the log says why"
		case err != nil:
			r.view.Error = err.Error()
		}
	})
	return nil
}

// workLine is a line of what the admin API answers while work goes on.
type workLine struct {
	Progress     *workProgress  `json:"progress"`
	Difference   map[string]any `json:"difference"`
	Retained     map[string]any `json:"retained"`
	Report       map[string]any `json:"report"`
	Verification map[string]any `json:"verification"`
	Retention    map[string]any `json:"retention"`
	Error        string         `json:"error"`
}

// work has the admin API do a piece of work, and takes down what it says.
func (u *UI) work(ctx context.Context, from *http.Request, r *run) error {
	path, body := r.view.Kind.request()
	resp, err := u.askOperations(ctx, from, http.MethodPost, path, []byte(body))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := json.NewDecoder(resp.Body)
	lines.UseNumber()
	for {
		var line workLine
		err := lines.Decode(&line)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the work was broken off: %w", err)
		}
		u.works.mutex.Lock()
		r.view.take(line)
		u.works.mutex.Unlock()
	}
}

// take takes a line down.
func (w *workView) take(line workLine) {
	for _, row := range []map[string]any{line.Difference, line.Retained} {
		if row == nil {
			continue
		}
		if w.Number++; len(w.Rows) < maxWorkRows {
			w.Rows = append(w.Rows, row)
		}
	}
	for _, report := range []map[string]any{line.Report, line.Verification, line.Retention} {
		if report != nil {
			w.Report = report
		}
	}
	if line.Progress != nil {
		w.Progress = line.Progress
	}
	if line.Error != "" {
		w.Error = line.Error
	}
}

// kindOfWork reads the kind in the address of a page.
func (v *visit) kindOfWork() (workKind, error) {
	kind := workKind(chi.URLParam(v.request, "kind"))
	if !slices.Contains(workKinds(), kind) {
		return "", errNoPage
	}
	return kind, nil
}

func (v *visit) showWork() (any, error) {
	kind, err := v.kindOfWork()
	if err != nil {
		return nil, err
	}
	return v.ui.works.view(kind), nil
}

// changeWork begins a run or stops it, and leads to its page.
func (v *visit) changeWork() (string, error) {
	kind, err := v.kindOfWork()
	if err != nil {
		return "", err
	}
	if v.request.PostFormValue("stop") != "" {
		v.ui.works.stop(kind)
	} else if err := v.ui.beginWork(kind, v.request); err != nil {
		return "", err
	}
	return "/operations/work/" + string(kind), nil
}

// stop has a run end.
func (w *works) stop(kind workKind) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if r := w.runs[kind]; r != nil {
		r.stop()
	}
}
