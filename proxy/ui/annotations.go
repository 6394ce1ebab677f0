package ui

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// The bounds of what is shown of annotations and labels.
const (
	// shownAnnotations is how many of a manifest are shown, shownOfItem how many of
	// something in a list.
	shownAnnotations = 200
	shownOfItem      = 12
	// shownValue is how many bytes of a value are shown.
	shownValue = 2 << 10
)

// pair is a key with its value, as an annotation or a label is.
type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	// Link is the value where it is an address of the web; empty for all else.
	Link string `json:"-"`
}

// pairs are annotations or labels in the order of their keys, as far as they are shown.
type pairs struct {
	Pairs []pair `json:"pairs,omitempty"`
	// More is how many are left out.
	More int `json:"more,omitempty"`
}

// pairsOf returns so many of a set, those that people ask for first before the others.
func pairsOf(set map[string]string, most int) pairs {
	keys := slices.Collect(maps.Keys(set))
	slices.SortFunc(keys, func(a, b string) int {
		first, second := strings.HasPrefix(a, "org.opencontainers."), strings.HasPrefix(b, "org.opencontainers.")
		switch {
		case first && !second:
			return -1
		case second && !first:
			return 1
		}
		return strings.Compare(a, b)
	})
	var shown pairs
	for i, key := range keys {
		if i == most {
			shown.More = len(keys) - most
			break
		}
		value := set[key]
		shown.Pairs = append(shown.Pairs, pair{Key: clipped(key, shownValue), Value: clipped(value, shownValue), Link: webAddress(value)})
	}
	return shown
}

// clipped returns a text of at most so many bytes and an ellipsis, no character cut.
func clipped(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// webAddress returns an address of the web that may be made a link; empty for anything
// else, so for one with a user in it, which misleads.
func webAddress(text string) string {
	if len(text) > shownValue {
		return ""
	}
	for _, r := range text {
		if r <= ' ' || r > '~' || r == '\\' {
			return ""
		}
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" || parsed.User != nil {
		return ""
	}
	return parsed.String()
}
