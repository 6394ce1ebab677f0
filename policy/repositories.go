package policy

import (
	"slices"

	"github.com/backref/backref/oci"
)

// repositories are the patterns of those that a rule is about: see [oci.Glob].
type repositories []oci.Glob

func parseRepositories(patterns []string) (repositories, error) {
	globs := make(repositories, 0, len(patterns))
	for _, pattern := range patterns {
		glob, err := oci.ParseGlob(pattern)
		if err != nil {
			return nil, err
		}
		globs = append(globs, glob)
	}
	return globs, nil
}

// covers tells whether one of the patterns matches a repository.
func (r repositories) covers(repository string) bool {
	return slices.ContainsFunc(r, func(glob oci.Glob) bool { return glob.Match(repository) })
}
