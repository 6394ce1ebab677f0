package ext

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/answer"
)

// sortName orders tags by their names.
const sortName = "name"

// tagQuery says which tags a list shows, and in which order.
type tagQuery struct {
	// filters has the filters and the limit.
	filters index.Query
	// by is name, version or created.
	by         string
	descending bool
	after      tagCursor
	// from and to are the ends of a range, which are in it: names of tags, or
	// what the order goes by.
	from, to string
	// fromKey and toKey are their keys, once they are known.
	fromKey, toKey string
}

// tagCursor is a place in the order of a list of tags.
type tagCursor struct {
	key, tag string
}

func parseTagQuery(values url.Values) (tagQuery, error) {
	var q tagQuery
	// The order and the cursor are others than those of manifests.
	rest := url.Values{}
	for _, name := range []string{index.ParamArtifactType, index.ParamAnnotation, index.ParamLimit} {
		rest[name] = values[name]
	}
	var err error
	if q.filters, err = index.ParseQuery(rest); err != nil {
		return q, err
	}
	order, err := answer.Once(values, index.ParamSort)
	if err != nil {
		return q, err
	}
	q.by, q.descending = strings.CutPrefix(cmp.Or(order, sortName), "-")
	if q.by != sortName && q.by != index.SortVersion.String() && q.by != index.SortCreated.String() {
		return q, &index.QueryError{Param: index.ParamSort, Reason: "need name, version or created, with a - in front for descending"}
	}
	last, err := answer.Once(values, index.ParamLast)
	if err != nil {
		return q, err
	}
	if last != "" {
		if q.after, err = parseTagCursor(last, q.order()); err != nil {
			return q, err
		}
	}
	if q.from, err = answer.Once(values, paramFrom); err != nil {
		return q, err
	}
	q.to, err = answer.Once(values, paramTo)
	if q.byName() {
		q.fromKey, q.toKey = q.from, q.to
	}
	return q, err
}

func (q *tagQuery) byName() bool { return q.by == sortName }

// order returns the order as the parameter sort spells it.
func (q *tagQuery) order() string {
	if q.descending {
		return "-" + q.by
	}
	return q.by
}

// entry describes a tag, and when what it names was created, the zero Time where
// that is not known.
func (q *tagQuery) entry(tag string, record index.Record, created time.Time) taggedEntry {
	e := taggedEntry{Tag: tag, Descriptor: record.Descriptor(), Version: index.TagVersion(tag, record.Annotations)}
	if !created.IsZero() {
		e.Created = &created
	}
	switch {
	case q.byName():
		e.key = tag
	case q.by == index.SortVersion.String():
		e.key = index.VersionKey(e.Version)
	case e.Created != nil:
		e.key = createdKey(created)
	}
	return e
}

func createdKey(created time.Time) string {
	return index.Order{By: index.SortCreated}.Key(oci.Descriptor{}, created)
}

// bound finds the keys of a range's ends, where they are not yet known.
func (q *tagQuery) bound(entries []taggedEntry, names []string) error {
	if q.byName() {
		return nil
	}
	for _, end := range []struct {
		param, text string
		key         *string
	}{{paramFrom, q.from, &q.fromKey}, {paramTo, q.to, &q.toKey}} {
		if end.text == "" {
			continue
		}
		*end.key = q.endKey(end.text, entries)
		if *end.key != "" {
			continue
		}
		reason := "need a tag of the repository, or a semantic version"
		if q.by == index.SortCreated.String() {
			reason = "need a tag of the repository, or a time of RFC 3339"
		}
		if slices.Contains(names, end.text) {
			reason = "the tag has no " + q.by + " to go by"
		}
		return &index.QueryError{Param: end.param, Reason: reason}
	}
	return nil
}

func (q *tagQuery) endKey(text string, entries []taggedEntry) string {
	if i := slices.IndexFunc(entries, func(e taggedEntry) bool { return e.Tag == text }); i >= 0 {
		return entries[i].key
	}
	if q.by == index.SortVersion.String() {
		return index.VersionKey(text)
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return ""
	}
	return createdKey(at)
}

// within tells whether a key is in the range. What has no key is in none.
func (q *tagQuery) within(key string) bool {
	if q.from == "" && q.to == "" {
		return true
	}
	return key != "" && (q.from == "" || key >= q.fromKey) && (q.to == "" || key <= q.toKey)
}

// behind tells whether a place is on this page or a later one.
func (q *tagQuery) behind(place tagCursor) bool {
	return q.after == tagCursor{} || q.compare(place, q.after) > 0
}

// compare tells which place comes first, as [index.Order] does: what has no key
// comes last in either direction.
func (q *tagQuery) compare(a, b tagCursor) int {
	if (a.key == "") != (b.key == "") {
		if a.key == "" {
			return 1
		}
		return -1
	}
	c := cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.tag, b.tag))
	if q.descending {
		return -c
	}
	return c
}

// encode returns the form in which clients carry a place. No tag has a space.
func (t tagCursor) encode(order string) string {
	return base64.RawURLEncoding.EncodeToString([]byte("1 " + order + " " + t.tag + " " + t.key))
}

func parseTagCursor(text, order string) (tagCursor, error) {
	unusable := &index.QueryError{Param: index.ParamLast, Reason: "not a value that a Link of this list gave in this order; begin without it"}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return tagCursor{}, unusable
	}
	const parts = 4
	fields := strings.SplitN(string(raw), " ", parts)
	if len(fields) != parts || fields[0] != "1" || fields[1] != order || !oci.ValidTag(fields[2]) {
		return tagCursor{}, unusable
	}
	return tagCursor{fields[3], fields[2]}, nil
}
