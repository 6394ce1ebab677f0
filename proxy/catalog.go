package proxy

import (
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/answer"
)

// artifactEntry is a manifest of a repository.
type artifactEntry struct {
	oci.Descriptor
	Subject digest.Digest `json:"subject,omitempty"`
}

// catalogArtifacts lists the manifests of a repository that the index knows,
// whether or not they have a tag or a subject.
func (p *Proxy) catalogArtifacts(w http.ResponseWriter, r *http.Request, target path) error {
	query, values, err := answer.Query(r, index.Order{}, int(p.config.Limits.ResponseSize))
	if err != nil {
		return err
	}
	query.Limit = pageLimit(query)
	records, more, err := p.registry.Manifests(r.Context(), p.callerOf(r, target), query)
	if err != nil {
		return err
	}
	list := p.newEntryList(query)
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
		last = query.Order.Place(record.Descriptor(), record.Seen)
	}
	link := ""
	if more {
		query.After = last
		link = answer.Next(here(target, values), query.Values())
	}
	return p.sendJSON(w, r, struct {
		Name      string     `json:"name"`
		Manifests *entryList `json:"manifests"`
	}{target.repository, list}, query.Filters(), link)
}
