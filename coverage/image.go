package coverage

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// Image is an image and how it fares.
type Image struct {
	// Tags are those that name it, or the index that lists it, in their order.
	Tags []string `json:"tags"`
	// Digest is empty where an index has no image for a platform that a requirement
	// names.
	Digest    digest.Digest `json:"digest,omitempty"`
	MediaType string        `json:"mediaType,omitempty"`
	// Index is the index that lists the image, and Platform what the image is for, as
	// that index says.
	Index    digest.Digest `json:"index,omitempty"`
	Platform string        `json:"platform,omitempty"`
	// Created is when the image was made, as far as the index knows.
	Created      *time.Time `json:"created,omitempty"`
	Requirements []Outcome  `json:"requirements"`
}

// Covered tells whether the image meets all requirements.
func (i Image) Covered() bool {
	return !slices.ContainsFunc(i.Requirements, func(o Outcome) bool { return o.State != Covered })
}

// Summary counts images.
type Summary struct {
	// Images are all, Covered those that meet all requirements.
	Images  int `json:"images"`
	Covered int `json:"covered"`
	// Requirements are the counts of each, in the order in which they were asked for.
	Requirements []Count `json:"requirements"`
}

// Count says of how many images a requirement is in which state.
type Count struct {
	Requirement string `json:"requirement"`
	Covered     int    `json:"covered"`
	Unverified  int    `json:"unverified"`
	Outdated    int    `json:"outdated"`
	Expired     int    `json:"expired"`
	Missing     int    `json:"missing"`
}

// Of returns the count of a state.
func (c Count) Of(s State) int {
	if at := c.at(s); at != nil {
		return *at
	}
	return 0
}

func (c *Count) at(s State) *int {
	switch s {
	case Covered:
		return &c.Covered
	case Unverified:
		return &c.Unverified
	case Outdated:
		return &c.Outdated
	case Expired:
		return &c.Expired
	case Missing:
		return &c.Missing
	default:
		return nil
	}
}

// NewSummary returns the summary of no images.
func NewSummary(requirements []string) Summary {
	s := Summary{Requirements: make([]Count, 0, len(requirements))}
	for _, text := range requirements {
		s.Requirements = append(s.Requirements, Count{Requirement: text})
	}
	return s
}

// Add counts an image.
func (s *Summary) Add(image Image) {
	s.Images++
	if image.Covered() {
		s.Covered++
	}
	for _, outcome := range image.Requirements {
		at := slices.IndexFunc(s.Requirements, func(c Count) bool { return c.Requirement == outcome.Requirement })
		if at < 0 {
			s.Requirements = append(s.Requirements, Count{Requirement: outcome.Requirement})
			at = len(s.Requirements) - 1
		}
		if count := s.Requirements[at].at(outcome.State); count != nil {
			*count++
		}
	}
}

// Include counts the images of another summary of the same requirements.
func (s *Summary) Include(other Summary) {
	s.Images += other.Images
	s.Covered += other.Covered
	for i := range s.Requirements {
		at := slices.IndexFunc(other.Requirements, func(c Count) bool { return c.Requirement == s.Requirements[i].Requirement })
		if at < 0 {
			continue
		}
		for _, state := range States() {
			*s.Requirements[i].at(state) += other.Requirements[at].Of(state)
		}
	}
}

// Merge puts images that came page by page into one list: an image that is on
// several pages, since its tags are, is there once, with all of its tags. The order
// is that of the first tag, an index before its images.
func Merge(pages ...[]Image) []Image {
	type name struct {
		digest, index digest.Digest
		platform      string
	}
	at, all := map[name]int{}, []Image{}
	for _, page := range pages {
		for _, image := range page {
			key := name{image.Digest, image.Index, image.Platform}
			i, known := at[key]
			if !known {
				at[key] = len(all)
				all = append(all, image)
				continue
			}
			tags := append(slices.Clone(all[i].Tags), image.Tags...)
			slices.Sort(tags)
			all[i].Tags = slices.Compact(tags)
		}
	}
	Sort(all)
	return all
}

// Sort brings images into the order of their first tags, an index before its images.
func Sort(images []Image) {
	first := func(i Image) string {
		if len(i.Tags) == 0 {
			return ""
		}
		return i.Tags[0]
	}
	slices.SortStableFunc(images, func(a, b Image) int {
		return cmp.Or(strings.Compare(first(a), first(b)), cmp.Compare(len(a.Index), len(b.Index)),
			strings.Compare(a.Platform, b.Platform), strings.Compare(string(a.Digest), string(b.Digest)))
	})
}
