package reconcile

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"

	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// Line is one line of an answer that goes on while the work does. Exactly one
// field is set.
type Line struct {
	Progress   *Progress   `json:"progress,omitempty"`
	Difference *Difference `json:"difference,omitempty"`
	Pruned     *Pruned     `json:"pruned,omitempty"`
	Held       *Held       `json:"held,omitempty"`
	Retained   *Retained   `json:"retained,omitempty"`
	// Report, Verification, Retention or Done is the last line; Error stands beside
	// it, or alone, where the work did not succeed.
	Report       *Report          `json:"report,omitempty"`
	Verification *Verification    `json:"verification,omitempty"`
	Retention    *RetentionReport `json:"retention,omitempty"`
	Done         bool             `json:"done,omitempty"`
	Error        string           `json:"error,omitempty"`
	// Incomplete says that the error is [ErrIncomplete].
	Incomplete bool `json:"incomplete,omitempty"`
}

// maxOptions is the largest body of a request.
const maxOptions = 16 << 20

// Handler serves the admin API of the index:
//
//	POST /rebuild   Options; answers Lines
//	POST /verify    Options; answers Lines
//	POST /prune     Options, and ?dryRun=false to delete; answers Lines
//	POST /hold      Options, and ?dryRun=false to tag; answers Lines
//	GET  /stats     index.Stats
//	GET  /intents   index.Intent, one JSON object a line
//	GET  /export    index.Record, one JSON object a line
//	POST /import    index.Record, one JSON object a line
//	GET  /audit     AuditRecord, one JSON object a line; the parameters are those
//	                of AuditQuery
//	GET  /backup    a copy of the store's file; 501 where it is a database
//
// A client that goes away ends the work it began; a rebuild can be resumed.
// Who may ask is decided before. more adds paths, see [Retention.Routes].
func (r *Reconciler) Handler(more ...func(chi.Router)) http.Handler {
	router := chi.NewRouter()
	router.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotFound, oci.CodeUnsupported, "the admin API has no such path")
	})
	router.MethodNotAllowed(func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusMethodNotAllowed, oci.CodeUnsupported, "the admin API has this path for another method")
	})
	router.Post("/rebuild", r.serveRebuild)
	router.Post("/verify", r.serveVerify)
	router.Post("/prune", r.servePrune)
	router.Post("/hold", r.serveHold)
	router.Get("/stats", r.serveStats)
	router.Get("/intents", func(w http.ResponseWriter, req *http.Request) {
		r.stream(w, req, "application/jsonl", func(out *lines) error { return ExportIntents(req.Context(), r.store, out) })
	})
	router.Get("/export", func(w http.ResponseWriter, req *http.Request) {
		r.stream(w, req, "application/jsonl", func(out *lines) error { return Export(req.Context(), r.store, out) })
	})
	router.Get("/audit", r.serveAudit)
	router.Get("/backup", func(w http.ResponseWriter, req *http.Request) {
		copier, able := r.store.(index.Copier)
		if !able {
			writeError(w, http.StatusNotImplemented, oci.CodeUnsupported, "this index is kept in a database; back it up with the tools of that, such as pg_dump")
			return
		}
		r.stream(w, req, "application/octet-stream", func(out *lines) error { return copier.Backup(req.Context(), out) })
	})
	router.Post("/import", r.serveImport)
	for _, add := range more {
		add(router)
	}
	return router
}

func (r *Reconciler) serveRebuild(w http.ResponseWriter, req *http.Request) {
	options, ok := readOptions(w, req)
	if !ok {
		return
	}
	out := newLines(w)
	report, err := r.Rebuild(req.Context(), options, func(p Progress) { out.encode(Line{Progress: &p}) })
	out.end(Line{Report: &report}, err)
}

func (r *Reconciler) serveVerify(w http.ResponseWriter, req *http.Request) {
	options, ok := readOptions(w, req)
	if !ok {
		return
	}
	out := newLines(w)
	result, err := r.Verify(req.Context(), options, func(d Difference) { out.encode(Line{Difference: &d}) })
	out.end(Line{Verification: &result}, err)
}

func (r *Reconciler) servePrune(w http.ResponseWriter, req *http.Request) {
	options, ok := readOptions(w, req)
	if !ok {
		return
	}
	out := newLines(w)
	err := r.Prune(req.Context(), options, req.URL.Query().Get("dryRun") != "false", func(p Pruned) { out.encode(Line{Pruned: &p}) })
	out.end(Line{Done: true}, err)
}

func (r *Reconciler) serveHold(w http.ResponseWriter, req *http.Request) {
	options, ok := readOptions(w, req)
	if !ok {
		return
	}
	out := newLines(w)
	err := r.Hold(req.Context(), options, req.URL.Query().Get("dryRun") != "false", func(h Held) { out.encode(Line{Held: &h}) })
	out.end(Line{Done: true}, err)
}

func readOptions(w http.ResponseWriter, req *http.Request) (Options, bool) {
	var options Options
	decoder := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxOptions))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&options); err != nil {
		writeError(w, http.StatusBadRequest, oci.CodeUnsupported, "the body has to be the JSON of options: "+err.Error())
		return options, false
	}
	if err := options.Check(); err != nil {
		writeError(w, http.StatusBadRequest, oci.CodeUnsupported, err.Error())
		return options, false
	}
	return options, true
}

func (r *Reconciler) serveStats(w http.ResponseWriter, req *http.Request) {
	stats, err := r.store.Stats(req.Context())
	if err != nil {
		r.log.Error("stats", zap.Error(err))
		writeError(w, http.StatusServiceUnavailable, oci.CodeUnavailable, "the index can't be read; see the log")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(stats)
}

func (r *Reconciler) serveImport(w http.ResponseWriter, req *http.Request) {
	imported, err := Import(req.Context(), r.store, req.Body)
	status := http.StatusOK
	answer := struct {
		Imported
		Error string `json:"error,omitempty"`
	}{Imported: imported}
	if err != nil {
		answer.Error = err.Error()
		status = http.StatusBadRequest
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// writeError answers with an error, by the writer that the rest of the program
// has.
func writeError(w http.ResponseWriter, status int, code, message string) {
	(&oci.Error{Status: status, Code: code, Message: message}).Write(w)
}

// stream sends what write writes. Where it fails the connection is cut, so
// that a part can't be taken for the whole.
func (r *Reconciler) stream(w http.ResponseWriter, req *http.Request, mediaType string, write func(*lines) error) {
	w.Header().Set("Content-Type", mediaType)
	if err := write(&lines{w: w}); err != nil {
		r.log.Error("answer broken off", zap.String("path", req.URL.Path), zap.Error(err))
		panic(http.ErrAbortHandler)
	}
}

// lines writes JSON lines, each sent at once where it is to be seen live.
type lines struct {
	mutex sync.Mutex
	w     http.ResponseWriter
	live  bool
}

func newLines(w http.ResponseWriter) *lines {
	w.Header().Set("Content-Type", "application/jsonl")
	return &lines{w: w, live: true}
}

// Write implements [io.Writer].
func (l *lines) Write(b []byte) (int, error) {
	return l.w.Write(b)
}

// encode writes a line. That the client has gone is seen by its context.
func (l *lines) encode(line any) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	_ = json.NewEncoder(l.w).Encode(line)
	if l.live {
		_ = http.NewResponseController(l.w).Flush()
	}
}

// end writes the last line.
func (l *lines) end(last Line, err error) {
	if err != nil {
		last.Error = err.Error()
		last.Incomplete = errors.Is(err, ErrIncomplete)
	}
	l.encode(last)
}
