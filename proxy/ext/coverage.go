package ext

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/backref/backref/coverage"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/upstream"
)

// coverageTags is how many tags a page looks at, at most.
const coverageTags = 2500

// coverageAnswer is a page of images.
type coverageAnswer struct {
	Name   string           `json:"name"`
	Images []coverage.Image `json:"images"`
	// Summary counts the images of the page.
	Summary coverage.Summary `json:"summary"`
}

// CoverageImages tells of the images that the tags of a repository name which of some
// requirements they meet. Pages are of tags, in the order of their names: an image
// whose tags are on several pages is on each of them.
func (e *Extension) CoverageImages(w http.ResponseWriter, r *http.Request, caller *registry.Caller) error {
	values, err := answer.Parameters(r)
	if err != nil {
		return err
	}
	query, err := parseCoverage(values)
	if err != nil {
		return err
	}
	if err := e.checkSigners(query.SignedBy); err != nil {
		return err
	}
	all, names, err := e.coverageNames(r.Context(), caller, query)
	if err != nil {
		return err
	}
	page := names[:min(len(names), query.limit)]
	images, shown, err := e.coverageOf(r.Context(), caller, query, all, page)
	if err != nil {
		return err
	}
	found := coverageAnswer{Name: caller.Repository(), Images: images, Summary: coverage.NewSummary(query.texts())}
	for _, image := range images {
		found.Summary.Add(image)
	}
	link := ""
	if shown < len(names) {
		link = answer.Next(here(caller, CoverageImages, values), url.Values{index.ParamLast: {tagCursor{page[shown-1], page[shown-1]}.encode(sortName)}})
	}
	return e.sendJSON(w, r, found, nil, link)
}

// checkSigners refuses a question who signed that nobody can answer.
func (e *Extension) checkSigners(names []string) error {
	unknown, err := e.registry.CheckSigners(names)
	switch {
	case errors.Is(err, registry.ErrNoSignatures):
		return &index.QueryError{Param: paramSignedBy, Reason: "this proxy knows no signers; its operator can name some by verify.signers"}
	case err != nil:
		return err
	case unknown != "":
		return &index.QueryError{Param: paramSignedBy, Reason: "this proxy knows no signer of that name; its operator can add it to verify.signers"}
	default:
		return nil
	}
}

// coverageNames returns all tags of the repository, and those of images behind the
// place of the page that the query selects, in their order.
func (e *Extension) coverageNames(ctx context.Context, caller *registry.Caller, query coverageQuery) (all, names []string, err error) {
	for tag, err := range e.registry.Tags(ctx, caller) {
		switch {
		case errors.Is(err, upstream.ErrNotFound):
			return nil, nil, oci.NotFound(oci.CodeNameUnknown, "the registry has no such repository", err)
		case err != nil:
			return nil, nil, err
		case oci.ValidTag(tag):
			all = append(all, tag)
		}
	}
	names, err = e.registry.ImageTags(ctx, caller, slices.DeleteFunc(slices.Clone(all), func(tag string) bool { return !query.selects(tag) }))
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > e.options.Limits().CoverageImages {
		return nil, nil, &oci.Error{
			Limit:  "limits.coverageImages",
			Status: http.StatusNotImplemented, Code: oci.CodeUnsupported,
			Message: "the repository has more tags than this proxy looks at for one question; select some by tag=, or its operator can raise limits.coverageImages",
		}
	}
	return all, slices.DeleteFunc(names, func(tag string) bool { return tag <= query.after }), nil
}

// coverageOf looks at the images that some tags name, as the caller, and returns of
// how many tags the answer tells: as many as there is room for, one at least.
func (e *Extension) coverageOf(ctx context.Context, caller *registry.Caller, query coverageQuery, all, names []string) ([]coverage.Image, int, error) {
	images, shown, room := []coverage.Image{}, 0, e.options.Limits().ResponseSize
	for step := range slices.Chunk(names, coverageStep) {
		tagged, err := e.registry.ResolveTags(ctx, caller, step)
		if err != nil {
			return nil, 0, err
		}
		found, err := e.registry.Coverage(ctx, caller, query.CoverageQuery, all, tagged)
		if err != nil {
			return nil, 0, err
		}
		encoded, err := encodeJSON(found)
		if err != nil {
			return nil, 0, err
		}
		if room -= len(encoded); room < 0 && shown > 0 {
			break
		}
		images, shown = append(images, found...), shown+len(step)
	}
	return coverage.Merge(images), shown, nil
}

// coverageStep is how many tags are looked at at once.
const coverageStep = 250

// coverageQuery is what is asked.
type coverageQuery struct {
	registry.CoverageQuery
	// tags are patterns of tags; none selects all.
	tags  []string
	after string
	limit int
}

func (q coverageQuery) selects(tag string) bool {
	return len(q.tags) == 0 || slices.ContainsFunc(q.tags, func(pattern string) bool { return oci.MatchGlob(pattern, tag) })
}

func (q coverageQuery) texts() []string {
	texts := make([]string, 0, len(q.Requirements))
	for _, requirement := range q.Requirements {
		texts = append(texts, requirement.String())
	}
	return texts
}

// The parameters of the coverage of images.
const (
	paramRequire          = "require"
	paramMaxAge           = "maxAge"
	paramExpiryAnnotation = "expiryAnnotation"
	paramSignedBy         = "signedBy"
	paramTag              = "tag"
	paramPlatform         = "platform"
)

// parseCoverage reads what is asked:
//
//	require=<TYPE[@PLATFORMS]>   repeatable; signature and sbom where none is given
//	maxAge=<duration>            how old what is attached may be
//	expiryAnnotation=<key>       repeatable
//	signedBy=<name>              repeatable; one of them has to have signed
//	tag=<glob>                   repeatable; one has to match
//	platform=<os/architecture>   repeatable; narrows down the images of indexes
//	n=<most tags of a page>, last=<cursor of the page before>
func parseCoverage(values url.Values) (q coverageQuery, err error) {
	texts, err := many(values, paramRequire)
	if err != nil {
		return q, err
	}
	if len(texts) == 0 {
		texts = coverage.DefaultRequirements()
	}
	for i, text := range texts {
		// As in artifact types, what was a + before it was decoded is one.
		texts[i] = strings.ReplaceAll(text, " ", "+")
	}
	if q.Requirements, err = coverage.ParseAll(texts); err != nil {
		return q, &index.QueryError{Param: paramRequire, Reason: err.Error()}
	}
	age, err := answer.Once(values, paramMaxAge)
	if err != nil {
		return q, err
	}
	if q.MaxAge, err = coverage.ParseAge(age); err != nil {
		return q, &index.QueryError{Param: paramMaxAge, Reason: err.Error()}
	}
	for _, into := range []struct {
		name string
		list *[]string
	}{{paramExpiryAnnotation, &q.ExpiryAnnotations}, {paramSignedBy, &q.SignedBy}, {paramTag, &q.tags}} {
		if *into.list, err = many(values, into.name); err != nil {
			return q, err
		}
	}
	if len(q.ExpiryAnnotations) == 0 {
		q.ExpiryAnnotations = coverage.DefaultExpiryAnnotations()
	}
	platforms, err := many(values, paramPlatform)
	if err != nil {
		return q, err
	}
	if len(platforms) > 0 {
		if q.Platforms, err = coverage.ParsePlatforms(strings.Join(platforms, ",")); err != nil {
			return q, &index.QueryError{Param: paramPlatform, Reason: err.Error()}
		}
	}
	return q, q.place(values)
}

// place reads where the page begins and how many tags it has.
func (q *coverageQuery) place(values url.Values) error {
	paged, err := index.ParseQuery(url.Values{index.ParamLimit: values[index.ParamLimit]})
	if err != nil {
		return err
	}
	if q.limit = paged.Limit; q.limit == 0 || q.limit > coverageTags {
		q.limit = coverageTags
	}
	last, err := answer.Once(values, index.ParamLast)
	if err != nil || last == "" {
		return err
	}
	cursor, err := parseTagCursor(last, sortName)
	q.after = cursor.tag
	return err
}

// The bounds of parameters that may be given more than once.
const (
	maxGiven     = 32
	maxGivenText = 1024
)

// many returns the values of a parameter that may be given more than once, without
// empty ones.
func many(values url.Values, name string) ([]string, error) {
	texts := slices.DeleteFunc(slices.Clone(values[name]), func(text string) bool { return text == "" })
	if len(texts) > maxGiven {
		return nil, &index.QueryError{Param: name, Reason: "give it 32 times at most"}
	}
	if slices.ContainsFunc(texts, func(text string) bool { return len(text) > maxGivenText }) {
		return nil, &index.QueryError{Param: name, Reason: "need 1024 bytes at most"}
	}
	return texts, nil
}
