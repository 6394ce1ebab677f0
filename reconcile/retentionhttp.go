package reconcile

import (
	"encoding/json"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/backref/backref/oci"
)

// Routes adds the admin API of retention to that of the index:
//
//	POST /retain        RetainOptions; answers Lines
//	POST /retain/stop   stops the run that is under way in this process; answers {"stopped": whether there was one}
//
// A client that goes away ends the run that it began.
func (r *Retention) Routes(router chi.Router) {
	router.Post("/retain", r.serveRetain)
	router.Post("/retain/stop", r.serveStop)
}

func (r *Retention) serveRetain(w http.ResponseWriter, req *http.Request) {
	var options RetainOptions
	decoder := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxOptions))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&options)
	if err == nil {
		err = options.Check()
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, oci.CodeUnsupported, "the body has to be the JSON of options: "+err.Error())
		return
	}
	out := newLines(w)
	report, err := r.Retain(req.Context(), options, func(d Retained) { out.encode(Line{Retained: &d}) })
	out.end(Line{Retention: &report}, err)
}

func (r *Retention) serveStop(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct {
		Stopped bool `json:"stopped"`
	}{r.Stop()})
}
