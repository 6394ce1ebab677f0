package proxy

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/registry"
)

// Routes adds to the admin API what only the door can answer:
//
//	GET /policy/present?repository=NAME&reference=TAG-OR-DIGEST   registry.Present
//
// Who may ask is decided before.
func (p *Proxy) Routes(router chi.Router) {
	router.Get("/policy/present", p.servePresent)
}

// servePresent says what there is of a reference, and which locked tag holds it.
func (p *Proxy) servePresent(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	repository, text := query.Get("repository"), query.Get("reference")
	reference := registry.Reference{Tag: text}
	if oci.CheckDigest(digest.Digest(text)) == nil {
		reference = registry.Reference{Digest: digest.Digest(text)}
	}
	var err error
	var present registry.Present
	if !oci.ValidRepository(repository) || reference.Tag != "" && !oci.ValidTag(reference.Tag) || text == "" {
		err = oci.BadRequest(oci.CodeUnsupported, "need the parameters repository and reference, which is a tag or a digest")
	} else {
		present, err = p.registry.Present(r.Context(), repository, reference)
	}
	if err == nil {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(present)
		return
	}
	var answer *oci.Error
	if !errors.As(err, &answer) {
		p.log.Warn("the registry could not be asked what is there", zap.String("repository", repository), zap.String("reference", text), zap.Error(err))
		answer = oci.Unavailable(http.StatusBadGateway, "the registry behind this proxy did not say what is there: "+err.Error(), err)
	}
	answer.Write(w)
}
