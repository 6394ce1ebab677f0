package ext

import (
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/registry"
)

// artifactEntry is a manifest of a repository.
type artifactEntry struct {
	oci.Descriptor
	Subject digest.Digest `json:"subject,omitempty"`
}

// CatalogArtifacts lists the manifests of a repository that the index knows,
// whether or not they have a tag or a subject.
func (e *Extension) CatalogArtifacts(w http.ResponseWriter, r *http.Request, caller *registry.Caller) error {
	query, values, err := answer.Query(r, index.Order{}, e.options.Limits().ResponseSize)
	if err != nil {
		return err
	}
	query.Limit = pageLimit(query)
	records, more, err := e.registry.Manifests(r.Context(), caller, query)
	if err != nil {
		return err
	}
	list := e.newEntryList(query)
	var last index.Cursor
	for _, record := range records {
		added, err := list.add(artifactEntry{record.Descriptor(), record.Subject()})
		if err != nil {
			return err
		}
		if !added {
			more = true
			break
		}
		last = query.Order.Cursor(record.Descriptor(), record.Seen)
	}
	link := ""
	if more {
		query.After = last
		link = answer.Next(here(caller, CatalogArtifacts, values), query.Values())
	}
	return e.sendJSON(w, r, struct {
		Name      string     `json:"name"`
		Manifests *entryList `json:"manifests"`
	}{caller.Repository(), list}, query.Filters(), link)
}
