package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// graphReferrers answers as listReferrers does, for a subject that may be given
// by a tag. Its pages are those of the manifest that the tag had at first.
func (p *Proxy) graphReferrers(w http.ResponseWriter, r *http.Request, target path) error {
	query, values, err := p.queryOf(r, p.order)
	if err != nil {
		return err
	}
	client := p.readerOf(r, target)
	subject, err := p.subject(r.Context(), client, values)
	if err != nil {
		return err
	}
	found, err := p.listing(r.Context(), client, subject, query)
	if err != nil {
		return err
	}
	w.Header().Set("OCI-Subject", subject.String())
	values.Set(paramSubject, subject.String())
	answerOf(found.Page, query, here(target, values)).write(w, r)
	return nil
}

// parentsScope is that of the cursors of graphParents, whose key is the kind of
// the edge.
const parentsScope = "parents"

// parentEntry is a manifest that names what was asked for.
type parentEntry struct {
	Kind       string         `json:"kind"`
	Descriptor oci.Descriptor `json:"descriptor"`
}

// graphParents lists the manifests that name a digest, be it a manifest or a
// blob.
func (p *Proxy) graphParents(w http.ResponseWriter, r *http.Request, target path) error {
	values, err := parameters(r)
	if err != nil {
		return err
	}
	child, after, query, err := parseParents(values)
	if err != nil {
		return err
	}
	client := p.readerOf(r, target)
	list := p.newEntryList(query)
	last, more, err := p.parents(r.Context(), client, child, after, list)
	if err != nil {
		return err
	}
	link := ""
	if more {
		link = nextLink(here(target, values), url.Values{index.ParamLast: {last.Encode(parentsScope)}})
	}
	return p.sendJSON(w, r, struct {
		Digest  digest.Digest `json:"digest"`
		Parents *entryList    `json:"parents"`
	}{child, list}, "", link)
}

func parseParents(values url.Values) (child digest.Digest, after index.Cursor, query index.Query, err error) {
	text, err := oneParam(values, paramDigest)
	if err != nil {
		return "", after, query, err
	}
	if child, err = digest.Parse(text); err != nil {
		return "", after, query, &index.QueryError{Param: paramDigest, Reason: "need the digest of a manifest or blob"}
	}
	if query, err = index.ParseQuery(url.Values{index.ParamLimit: values[index.ParamLimit]}); err != nil {
		return "", after, query, err
	}
	last, err := oneParam(values, index.ParamLast)
	if err == nil && last != "" {
		after, err = index.ParseCursor(last, parentsScope)
	}
	return child, after, query, err
}

// parents gathers a page of parents. Referrers are parents too, so whatever may
// hold more of them than the index is asked first, as for a listing. A registry
// that fails at the child as a manifest decides nothing: it may be a blob.
func (p *Proxy) parents(ctx context.Context, client *reader, child digest.Digest, after index.Cursor, list *entryList) (last index.Cursor, more bool, err error) {
	if err := p.enter(ctx, client, child); err != nil && !brokenManifest(err) {
		return last, false, err
	}
	if err := p.complete(ctx, client, child); err != nil && !errors.Is(err, errNoManifest) {
		return last, false, err
	}
	start := index.Parent{Digest: after.Digest}
	if len(after.Key) == 1 {
		start.Kind = index.EdgeKind(after.Key[0])
	}
	parents, err := p.store.Parents(ctx, client.repository, child, start, list.limit+1)
	if err != nil {
		return last, false, err
	}
	if err := p.tryParents(ctx, client, parents); err != nil || !client.permitted {
		return last, false, err
	}
	for _, parent := range parents {
		record, err := p.store.Get(ctx, client.repository, parent.Digest)
		switch {
		case errors.Is(err, index.ErrNotFound):
			// It was deleted since.
		case err != nil:
			return last, false, err
		default:
			if added, err := list.add(parentEntry{parent.Kind.String(), record.Descriptor()}); !added || err != nil {
				return last, true, err
			}
		}
		last = index.Cursor{Key: string([]byte{byte(parent.Kind)}), Digest: parent.Digest}
	}
	return last, len(parents) > list.limit, nil
}

// complete makes the index know all referrers of a manifest that the upstream
// shows to the client, those of its own API too.
func (p *Proxy) complete(ctx context.Context, client *reader, subject digest.Digest) error {
	_, err := p.listing(ctx, client, subject, index.Query{Limit: 1})
	return err
}

// tryParents lets a client in by a parent that it may read, where what it asked
// about is no manifest that the upstream has.
func (p *Proxy) tryParents(ctx context.Context, client *reader, parents []index.Parent) error {
	digests := make([]digest.Digest, 0, len(parents))
	for _, parent := range parents {
		digests = append(digests, parent.Digest)
	}
	return p.tryManifests(ctx, client, digests)
}
