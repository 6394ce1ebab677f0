package notice

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// maxRepositories is the most patterns of repositories of a filter.
const maxRepositories = 32

// Filter says which notices are wanted. The zero Filter wants all.
type Filter struct {
	// Repositories are patterns of which one has to match; none matches all.
	Repositories []oci.Glob
	// Query has the filters by artifact type and annotations: see
	// [index.ParseQuery]. Its order and place say nothing here.
	Query index.Query
}

// ParseFilter reads patterns of repositories, patterns of artifact types, and filters of
// annotations as queries have them.
func ParseFilter(repositories, artifactTypes, annotations []string) (Filter, error) {
	var f Filter
	if len(repositories) > maxRepositories {
		return f, fmt.Errorf("repositories: give %d at most", maxRepositories)
	}
	for _, text := range repositories {
		glob, err := oci.ParseGlob(text)
		if err != nil {
			return f, fmt.Errorf("repositories: %w", err)
		}
		f.Repositories = append(f.Repositories, glob)
	}
	var err error
	f.Query, err = index.ParseQuery(url.Values{index.ParamArtifactType: artifactTypes, index.ParamAnnotation: annotations})
	return f, err
}

// Matches tells whether a notice is wanted.
func (f Filter) Matches(n Notice) bool {
	return (len(f.Repositories) == 0 || slices.ContainsFunc(f.Repositories, func(g oci.Glob) bool { return g.Match(n.Repository) })) &&
		f.Query.MatchesType(n.ArtifactType) && f.Query.MatchesAnnotations(n.Annotations)
}
