package proxy

import (
	"errors"
	"net/http"

	"github.com/backref/backref/upstream"
)

// How many tags are asked for at least, and at most, where others were hidden:
// they come in long runs. Registries commonly allow the first, and many the
// second.
const (
	minTagPage = 100
	maxTagPage = 1000
)

// tagPageSizes are those of the further pages of one list. They grow as long as
// most of what comes is hidden, so that a long run takes few questions.
type tagPageSizes struct {
	// now is that of the next page. wanted is one that the upstream allows.
	now, wanted, least, most int
}

func newTagPageSizes(wanted int) tagPageSizes {
	least := max(wanted, minTagPage)
	return tagPageSizes{now: least, wanted: wanted, least: least, most: max(least, maxTagPage)}
}

// after returns the size of the page after one of which some were shown.
func (s *tagPageSizes) after(came, shown int) int {
	if s.now = min(2*s.now, s.most); 2*shown >= came {
		s.now = s.least
	}
	return s.now
}

// refused tells whether the upstream may have refused a page for its size alone.
// Then half of that is the most that is asked for.
func (s *tagPageSizes) refused(size int, err error) bool {
	var status *upstream.StatusError
	if size <= s.wanted || !errors.As(err, &status) {
		return false
	}
	switch status.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
	default:
		return false
	}
	s.most = max(s.wanted, size/2) //nolint:mnd // Half of it.
	s.least = min(s.least, s.most)
	s.now = s.most
	return true
}
