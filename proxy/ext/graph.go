package ext

import (
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/registry"
)

// GraphReferrers answers as the referrers API does (end-12), for a subject that
// may be given by a tag, with legacy referrers where they are wanted, and with the
// time by which an entry is ordered. Further pages are those of the manifest that
// the tag stood for at first.
func (e *Extension) GraphReferrers(w http.ResponseWriter, r *http.Request, caller *registry.Caller) error {
	query, values, err := answer.Query(r, e.options.Order, e.options.Limits().ResponseSize)
	if err != nil {
		return err
	}
	if query.Legacy, err = e.legacy(values); err != nil {
		return err
	}
	subject, err := e.subject(r.Context(), caller, values)
	if err != nil {
		return err
	}
	query.Dated = true
	found, err := e.registry.Listing(r.Context(), caller, subject, query)
	if err != nil {
		return err
	}
	w.Header().Set("OCI-Subject", subject.String())
	values.Set(paramSubject, subject.String())
	e.options.Send(w, r, answer.Referrers(dated(found.Page, query.MaxBytes), query, here(caller, GraphReferrers, values)))
	return nil
}

// parentsScope is that of the cursors of GraphParents, whose key is the kind of
// the edge.
const parentsScope = "parents"

// parentEntry is a manifest that names what was asked for.
type parentEntry struct {
	Kind       string         `json:"kind"`
	Descriptor oci.Descriptor `json:"descriptor"`
}

// GraphParents lists the manifests that name a digest, be it a manifest or a
// blob.
func (e *Extension) GraphParents(w http.ResponseWriter, r *http.Request, caller *registry.Caller) error {
	values, err := answer.Parameters(r)
	if err != nil {
		return err
	}
	child, after, query, err := parseParents(values)
	if err != nil {
		return err
	}
	list := e.newEntryList(query)
	last, more, err := e.registry.Parents(r.Context(), caller, child, parentAt(after), list.limit,
		func(parent index.Parent, record index.Record) (bool, error) {
			return list.add(parentEntry{parent.Kind.String(), record.Descriptor()})
		})
	if err != nil {
		return err
	}
	link := ""
	if more {
		link = answer.Next(here(caller, GraphParents, values), url.Values{index.ParamLast: {placeOf(last).Encode(parentsScope)}})
	}
	return e.sendJSON(w, r, struct {
		Digest  digest.Digest `json:"digest"`
		Parents *entryList    `json:"parents"`
	}{child, list}, nil, link)
}

func parseParents(values url.Values) (child digest.Digest, after index.Cursor, query index.Query, err error) {
	text, err := answer.Once(values, paramDigest)
	if err != nil {
		return "", after, query, err
	}
	if child, err = digest.Parse(text); err != nil {
		return "", after, query, &index.QueryError{Param: paramDigest, Reason: "need the digest of a manifest or blob"}
	}
	if query, err = index.ParseQuery(url.Values{index.ParamLimit: values[index.ParamLimit]}); err != nil {
		return "", after, query, err
	}
	last, err := answer.Once(values, index.ParamLast)
	if err == nil && last != "" {
		after, err = index.ParseCursor(last, parentsScope)
	}
	return child, after, query, err
}

// parentAt returns the parent that a cursor stands behind, and placeOf the cursor.
func parentAt(after index.Cursor) index.Parent {
	parent := index.Parent{Digest: after.Digest}
	if len(after.Key) == 1 {
		parent.Kind = index.EdgeKind(after.Key[0])
	}
	return parent
}

func placeOf(parent index.Parent) index.Cursor {
	if parent.Digest == "" {
		return index.Cursor{}
	}
	return index.Cursor{Key: string([]byte{byte(parent.Kind)}), Digest: parent.Digest}
}
