package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backref/backref/oci"
)

// Check reports what is wrong with options, before anything is done by them.
func (o Options) Check() error {
	for _, pattern := range o.Repositories {
		if _, err := oci.ParseGlob(pattern); err != nil {
			return fmt.Errorf("repositories: %w: in a pattern * stands for a part of a name without slashes, ** for any part", err)
		}
	}
	return nil
}

// names returns those of the repositories that are named, not described by a
// pattern.
func (o Options) names() []string {
	return slices.DeleteFunc(slices.Clone(o.Repositories), func(name string) bool { return strings.Contains(name, "*") })
}

// selects tells whether the options are about a repository.
func (o Options) selects(repository string) bool {
	if len(o.Repositories) == 0 {
		return true
	}
	return slices.ContainsFunc(o.Repositories, func(pattern string) bool {
		glob, err := oci.ParseGlob(pattern)
		return err == nil && glob.Match(repository)
	})
}
