package split

import (
	"strings"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// Source is a registry that knows of further referrers of what the primary has in some
// repositories, such as the one that images are mirrored from. It is only read.
type Source struct {
	// Key is the section of the configuration that describes it. Errors name it.
	Key string
	// Repositories are those that it is for, as clients name them.
	Repositories []oci.Glob
	// Strip is what their names begin with that they have not there; it is for no others.
	// Prefix comes before the rest, with a slash between. Either may be empty.
	Strip, Prefix string
	// Registry is where they are. It is asked as the service.
	Registry *upstream.Registry
	// Host is its name, for errors.
	Host string
}

func (s Source) has(repository string) bool {
	return matches(s.Repositories, repository) && (s.Strip == "" || strings.HasPrefix(repository, s.Strip+"/"))
}

// named returns the name of a repository without what it begins with, and behind a
// prefix.
func named(strip, prefix, repository string) string {
	if strip != "" {
		repository = strings.TrimPrefix(repository, strip+"/")
	}
	if prefix == "" {
		return repository
	}
	return prefix + "/" + repository
}
