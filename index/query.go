package index

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backref/backref/oci"
)

// The parameters of the query grammar.
const (
	ParamArtifactType = "artifactType"
	ParamAnnotation   = "annotation"
	ParamSort         = "sort"
	ParamLimit        = "n"
	ParamLast         = "last"
	// ParamLegacy is for listings that may show legacy referrers.
	ParamLegacy = "legacy"
)

// The bounds of a query: every filter costs time for every entry.
const (
	maxFilters = 32
	maxFilter  = 1024
)

// Query says which entries a listing shows, and in which order. The zero Query
// shows all in the order of their digests.
type Query struct {
	// ArtifactTypes are patterns as [oci.MatchGlob] reads them, of which one has
	// to match; none matches all.
	ArtifactTypes []string
	// Annotations all have to match.
	Annotations []AnnotationFilter
	Order       Order
	// After is the place in the order behind which the page begins; the zero
	// Cursor is the start.
	After Cursor
	// Limit is the most entries of a page; 0 means no limit.
	Limit int
	// MaxBytes bounds the sum of the encoded descriptors of a page, one byte
	// added for each; 0 means no limit. A page with more to come has at least
	// one entry however large it is.
	MaxBytes int
	// Dated asks for [Referrer.Created]. It is no part of the grammar.
	Dated bool
	// Legacy has a listing show legacy referrers too: see [LegacyReferrer]. It is no
	// part of the grammar, and nothing that an index answers by.
	Legacy bool
}

// QueryError is what is wrong with a parameter of a query.
type QueryError struct {
	// Param is the name of the parameter.
	Param string
	// Reason says what to do.
	Reason string
}

func (e *QueryError) Error() string {
	return e.Param + ": " + e.Reason
}

// ParseQuery reads the grammar that all listings share:
//
//	artifactType=<glob>              repeatable; one has to match
//	annotation=<key>[<op><value>]    repeatable; all have to match
//	sort=[-]created|digest|artifactType|version
//	n=<most entries of a page>
//	last=<cursor of the page before>
//
// Other parameters are left to others, and an empty value counts as none. A
// space in an artifact type is the + that it was before it was decoded. The
// error is a [*QueryError].
func ParseQuery(values url.Values) (Query, error) {
	return ParseQueryBy(Order{}, values)
}

// ParseQueryBy is [ParseQuery] for a listing that has another order where none
// is asked for. A page after the first has that of its cursor.
func ParseQueryBy(usual Order, values url.Values) (Query, error) {
	var q Query
	var err error
	if q.ArtifactTypes, err = typePatterns(values); err != nil {
		return Query{}, err
	}
	filters, err := filterTexts(values, ParamAnnotation)
	if err != nil {
		return Query{}, err
	}
	for _, text := range filters {
		filter, err := ParseAnnotationFilter(text)
		if err != nil {
			return Query{}, err
		}
		q.Annotations = append(q.Annotations, filter)
	}
	if q.Limit, err = parseLimit(values); err != nil {
		return Query{}, err
	}
	order, err := single(values, ParamSort)
	if err != nil {
		return Query{}, err
	}
	last, err := single(values, ParamLast)
	if err != nil {
		return Query{}, err
	}
	err = q.place(usual, order, last)
	return q, err
}

// place reads the order and the cursor.
func (q *Query) place(usual Order, order, last string) (err error) {
	switch {
	case order != "":
		q.Order, err = ParseOrder(order)
	case last != "":
		q.Order, err = cursorOrder(last)
	default:
		q.Order = usual
	}
	if err != nil || last == "" {
		return err
	}
	q.After, err = ParseCursor(last, q.Order.String())
	return err
}

// typePatterns returns the patterns of artifact types. No media type has a
// space (RFC 6838, "Naming Requirements"), but many have the + that a client
// has to encode so that it is none.
func typePatterns(values url.Values) ([]string, error) {
	patterns, err := filterTexts(values, ParamArtifactType)
	for i, pattern := range patterns {
		patterns[i] = strings.ReplaceAll(pattern, " ", "+")
	}
	return patterns, err
}

// filterTexts returns the values of a parameter that may be given more than
// once.
func filterTexts(values url.Values, param string) ([]string, error) {
	texts := slices.DeleteFunc(slices.Clone(values[param]), func(s string) bool { return s == "" })
	if len(texts) > maxFilters {
		return nil, &QueryError{param, fmt.Sprintf("give it %d times at most", maxFilters)}
	}
	for _, text := range texts {
		if len(text) > maxFilter {
			return nil, &QueryError{param, fmt.Sprintf("need %d bytes at most", maxFilter)}
		}
	}
	if len(texts) == 0 {
		return nil, nil
	}
	return texts, nil
}

// single returns the value of a parameter that is given once.
func single(values url.Values, param string) (string, error) {
	if len(values[param]) > 1 {
		return "", &QueryError{param, "give it once"}
	}
	return values.Get(param), nil
}

func parseLimit(values url.Values) (int, error) {
	text, err := single(values, ParamLimit)
	if err != nil || text == "" {
		return 0, err
	}
	limit, err := strconv.ParseInt(text, 10, 32)
	if err != nil || limit < 1 {
		return 0, &QueryError{ParamLimit, "need a whole number above 0"}
	}
	return int(limit), nil
}

// Values returns the parameters that [ParseQuery] reads as q. MaxBytes and Legacy
// are no part of them.
func (q Query) Values() url.Values {
	values := make(url.Values)
	for _, pattern := range q.ArtifactTypes {
		values.Add(ParamArtifactType, pattern)
	}
	for _, filter := range q.Annotations {
		values.Add(ParamAnnotation, filter.String())
	}
	if q.Order != (Order{}) {
		values.Set(ParamSort, q.Order.String())
	}
	if q.Limit > 0 {
		values.Set(ParamLimit, strconv.Itoa(q.Limit))
	}
	if !q.After.IsZero() {
		values.Set(ParamLast, q.After.Encode(q.Order.String()))
	}
	return values
}

// Filters returns the names of the parameters by which q leaves entries out.
func (q Query) Filters() []string {
	var names []string
	if len(q.ArtifactTypes) > 0 {
		names = append(names, ParamArtifactType)
	}
	if len(q.Annotations) > 0 {
		names = append(names, ParamAnnotation)
	}
	return names
}

// Matches reports whether the filters let an entry through.
func (q Query) Matches(d oci.Descriptor) bool {
	return q.MatchesType(d.ArtifactType) && q.MatchesAnnotations(d.Annotations)
}

// MatchesType reports whether the filters let an artifact type through.
func (q Query) MatchesType(artifactType string) bool {
	return len(q.ArtifactTypes) == 0 || slices.ContainsFunc(q.ArtifactTypes, func(pattern string) bool {
		return oci.MatchGlob(pattern, artifactType)
	})
}

// ExactTypes returns the artifact types that the filters select, each once and in
// order, where every pattern matches itself alone; nil where one does not, or there
// is none.
func (q Query) ExactTypes() []string {
	for _, pattern := range q.ArtifactTypes {
		if strings.ContainsAny(pattern, `*?`) {
			return nil
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(q.ArtifactTypes)))
}

// MatchesAnnotations reports whether the filters let annotations through.
func (q Query) MatchesAnnotations(annotations map[string]string) bool {
	return !slices.ContainsFunc(q.Annotations, func(f AnnotationFilter) bool {
		return !f.Matches(annotations)
	})
}

// Sort brings descriptors into the order of q. It knows not when they were
// first seen, so those that don't say when they were created count as older
// than all that do.
func (q Query) Sort(descriptors []oci.Descriptor) {
	type placed struct {
		descriptor oci.Descriptor
		place      Cursor
	}
	entries := make([]placed, len(descriptors))
	for i, d := range descriptors {
		entries[i] = placed{d, q.Order.Cursor(d, time.Time{})}
	}
	slices.SortStableFunc(entries, func(a, b placed) int { return q.Order.Compare(a.place, b.place) })
	for i, entry := range entries {
		descriptors[i] = entry.descriptor
	}
}

// Behind reports whether a place is on a page of q or a later one.
func (q Query) Behind(place Cursor) bool {
	return q.After.IsZero() || q.Order.Compare(place, q.After) > 0
}

// Fit returns how many of the entries, which the query selects, make a page:
// as many as Limit and MaxBytes allow, and at least one.
func (q Query) Fit(entries []Referrer) int {
	size := 0
	for i, entry := range entries {
		size += len(entry.Descriptor) + 1
		if i > 0 && (q.Limit > 0 && i >= q.Limit || q.MaxBytes > 0 && size > q.MaxBytes) {
			return i
		}
	}
	return len(entries)
}
