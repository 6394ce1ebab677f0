package admin

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// Part is one of what a server needs to serve. It is shown to anybody, so it holds
// no secret.
type Part struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Required says that the server is not ready without it.
	Required bool `json:"required"`
	// Message says what is wrong; empty where nothing is.
	Message string `json:"message,omitempty"`
	// Since is when it became as it is; zero where that is not known.
	Since time.Time `json:"since,omitzero"`
}

// readiness is what a probe that asks for more than yes or no is told.
type readiness struct {
	Ready bool   `json:"ready"`
	Parts []Part `json:"parts"`
}

// ready answers a probe: with 200 or 503 and, where verbose is among the
// parameters, with all parts as JSON, else with the first that is missing.
func (o Options) ready(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	parts := o.Ready(r.Context(), query["exclude"])
	status, text := http.StatusOK, "ready"
	missing := slices.IndexFunc(parts, func(p Part) bool { return p.Required && !p.OK })
	if missing >= 0 {
		status, text = http.StatusServiceUnavailable, parts[missing].Message
	}
	if !query.Has("verbose") {
		writePlain(w, status, text)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(readiness{Ready: missing < 0, Parts: parts})
}
