package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// A statement reads firstStep rows, unless the page is known to be shorter, and
// each further one stepGrowth times as many, up to maxStep: few rows are read
// in vain, and a long walk takes few statements.
const (
	firstStep  = 2000
	stepGrowth = 4
	maxStep    = 16_000
)

// list reads the records that a query selects, of a repository or of a subject
// in it, in the order of an index of the table and in steps.
type list struct {
	query      index.Query
	repository string
	// subject is nil where the list is of the repository.
	subject []byte
	// ordered says that the rows come in the query's order: by time, which only
	// the referrers of a subject do, or by digest.
	ordered bool
	// types are the artifact types that are selected, where the database can
	// tell; nil means that the filter is applied here, or that there is none.
	types [][]byte
	// mayGoByTypes says that the index of types is there and hasn't been tried yet, and
	// groups are those of its groups that the rows come from, nil where they come
	// otherwise.
	mayGoByTypes bool
	groups       [][]byte
	// place is where the rows go on; it is nil at the start.
	place *row
}

// newList returns the list of a query. Where no index has the query's order,
// the rows come by digest, from the first to the last.
func newList(query index.Query, repository string, subject []byte) (*list, error) {
	l := &list{query: query, repository: repository, subject: subject, types: exactTypes(query)}
	l.ordered = query.Order.By == index.SortDigest || query.Order.By == index.SortCreated && subject != nil
	if query.After.IsZero() {
		return l, nil
	}
	compact, err := compactDigest(query.After.Digest)
	if err != nil {
		return nil, err
	}
	if l.ordered {
		l.place = &row{digest: compact, created: []byte(query.After.Key)}
	}
	return l, nil
}

// exactTypes returns the types that a query selects, where these are all told by name,
// or nil.
func exactTypes(query index.Query) [][]byte {
	var types [][]byte
	for _, name := range query.ExactTypes() {
		types = append(types, []byte(name))
	}
	return types
}

// byTime tells whether the rows come by time.
func (l *list) byTime() bool {
	return l.ordered && l.query.Order.By == index.SortCreated
}

// statement returns the statement for the next rows, and its arguments.
func (l *list) statement(step int) (sql string, args []any) {
	args = []any{l.repository, step}
	argument := func(value any) string {
		args = append(args, value)
		return "$" + strconv.Itoa(len(args))
	}
	var b strings.Builder
	if l.groups != nil {
		b.WriteString(`SELECT m.* FROM unnest(` + argument(l.groups) + `::bytea[]) AS g(name) CROSS JOIN LATERAL (`)
	}
	if l.subject == nil {
		b.WriteString(`SELECT digest, artifact_type, shown, subject, kept FROM manifests WHERE repository = ` + liveRepository)
	} else {
		b.WriteString(`SELECT digest, artifact_type, shown, created FROM manifests WHERE repository = ` + liveRepository +
			` AND subject = ` + argument(l.subject))
	}
	switch {
	case l.groups != nil:
		b.WriteString(` AND ` + typeGroup + ` = g.name`)
	case l.types != nil:
		b.WriteString(` AND artifact_type = ANY(` + argument(l.types) + `::bytea[])`)
	}
	beyond, direction := ` > `, ` ASC`
	if l.ordered && l.query.Order.Descending {
		beyond, direction = ` < `, ` DESC`
	}
	if l.place != nil && l.byTime() {
		b.WriteString(` AND (created, digest)` + beyond + `(` + argument(l.place.created) + `, ` + argument(l.place.digest) + `)`)
	} else if l.place != nil {
		b.WriteString(` AND digest` + beyond + argument(l.place.digest))
	}
	b.WriteString(` ORDER BY `)
	if l.byTime() {
		b.WriteString(`created` + direction + `, `)
	}
	b.WriteString(`digest` + direction + ` LIMIT $2`)
	if l.groups != nil {
		b.WriteString(`) AS m ORDER BY digest` + direction + ` LIMIT $2`)
	}
	return b.String(), args
}

// gather reads the entries of a page.
func (l *list) gather(ctx context.Context, q queryer) (*gathering, error) {
	g := &gathering{query: l.query}
	s := index.Selection[entry]{Query: l.query, Size: entry.size}
	take := func(e entry) (more bool, err error) {
		if l.ordered {
			return g.take(e), nil
		}
		place, err := e.place()
		if err == nil {
			s.Add(e, place)
		}
		return true, err
	}
	// The database would look for types that it can tell until it has found enough.
	if l.mayGoByTypes && (l.types != nil || !l.ordered) {
		if err := l.goByTypes(ctx, q); err != nil {
			return nil, err
		}
	}
	for step, done := l.firstStep(), false; !done; step = min(stepGrowth*step, maxStep) {
		var err error
		if done, err = l.next(ctx, q, step, take); err != nil {
			return nil, err
		}
		if !done && l.mayGoByTypes {
			if err := l.goByTypes(ctx, q); err != nil {
				return nil, err
			}
			if !l.ordered {
				*g = gathering{query: l.query}
			}
		}
	}
	if !l.ordered {
		g.entries, g.more = s.Page()
	}
	return g, nil
}

// firstStep is one row more than the page has, where all are selected that the
// database returns, and some more where some are left out here.
func (l *list) firstStep() int {
	limit := l.query.Limit
	if !l.ordered || limit <= 0 || limit >= firstStep {
		return firstStep
	}
	if len(l.query.Annotations) > 0 || len(l.query.ArtifactTypes) > 0 && l.types == nil && l.groups == nil {
		return min(stepGrowth*(limit+1), firstStep)
	}
	return limit + 1
}

// next reads the next rows, of which take takes what the filters let through
// until it has enough. It is done when take has, or when there are no more.
func (l *list) next(ctx context.Context, q queryer, step int, take func(entry) (bool, error)) (done bool, err error) {
	sql, args := l.statement(step)
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	read := 0
	for rows.Next() {
		values, err := columns(rows)
		if err != nil {
			return false, err
		}
		e, err := l.entry(values)
		if err != nil {
			return false, err
		}
		read++
		l.place = &e.row
		selected, err := l.sift(&e)
		if err != nil {
			return false, err
		}
		if !selected {
			continue
		}
		if l.subject != nil {
			if err := e.describe(); err != nil {
				return false, err
			}
		}
		if more, err := take(e); !more || err != nil {
			return true, err
		}
	}
	return read < step, rows.Err()
}

// entry copies what is needed of the columns, which lie in the buffer of the
// connection.
func (l *list) entry(columns [][]byte) (e entry, err error) {
	if l.subject == nil {
		e.row = cloneRow(row{digest: columns[0], artifactType: columns[1], shown: columns[2], subject: columns[3], kept: columns[4]})
		return e, nil
	}
	if len(columns[0]) == 0 {
		return e, fmt.Errorf("%w: an empty digest", index.ErrDamaged)
	}
	e.row = cloneRow(row{digest: columns[0], artifactType: columns[1], created: columns[3]})
	// It is of no use once the entry is described.
	e.shown = columns[2]
	return e, nil
}

// cloneRow copies a row into one piece of memory.
func cloneRow(r row) row {
	b := make([]byte, 0, r.size()+len(r.created))
	for _, column := range []*[]byte{&r.digest, &r.subject, &r.created, &r.artifactType, &r.shown, &r.kept} {
		if *column == nil {
			continue
		}
		from := len(b)
		b = append(b, *column...)
		*column = b[from:len(b):len(b)]
	}
	return r
}

// sift tells whether the filters let an entry through, and finds its key in the
// order of the query.
func (l *list) sift(e *entry) (selected bool, err error) {
	if (l.types == nil || l.groups != nil) && !l.query.MatchesType(string(e.artifactType)) {
		return false, nil
	}
	order := l.query.Order
	d := oci.Descriptor{ArtifactType: string(e.artifactType)}
	if len(l.query.Annotations) > 0 || !l.ordered && order.By != index.SortArtifactType {
		if d.Annotations, err = e.annotations(); err != nil || !l.query.MatchesAnnotations(d.Annotations) {
			return false, err
		}
	}
	switch {
	case order.By == index.SortDigest:
	case l.byTime(), order.By == index.SortCreated && e.created != nil:
		e.key = string(e.created)
	default:
		var seen time.Time
		if order.By == index.SortCreated {
			if seen, err = e.seen(); err != nil {
				return false, err
			}
		}
		e.key = order.Key(d, seen)
	}
	return true, nil
}
