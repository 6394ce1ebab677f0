package oci

import (
	"slices"
	"strings"
)

// Link is one link of a Link header.
type Link struct {
	// Target is the reference between < and >, as it is written.
	Target string
	// Relations are the relation types in lower case. Of several parameters rel
	// only the first counts.
	Relations []string
	// Anchor is the resource that the link begins at, where that is another than
	// the one that the header came with.
	Anchor string
	// from is where Target begins in the value of the header.
	from int
}

// ParseLinks returns the links of a value of a Link header (RFC 8288, section
// 3, by the algorithm of its appendix B.2). What is no link is passed over.
func ParseLinks(value string) []Link {
	var links []Link
	s := scanner{text: value}
	for {
		s.skip(" \t,")
		if s.done() {
			return links
		}
		if s.text[s.at] != '<' {
			s.pass()
			continue
		}
		from := s.at + 1
		length := strings.IndexByte(value[from:], '>')
		if length < 0 {
			return links
		}
		s.at = from + length + 1
		link := Link{Target: value[from : from+length], from: from}
		s.parameters(&link)
		links = append(links, link)
		s.pass()
	}
}

// NextLink returns the target of the first link whose relation is "next" in
// the values of a Link header (distribution-spec, "Pagination" of tags and
// referrers).
func NextLink(values []string) (target string, found bool) {
	for _, value := range values {
		for _, link := range ParseLinks(value) {
			if link.Anchor == "" && slices.Contains(link.Relations, "next") {
				return link.Target, true
			}
		}
	}
	return "", false
}

// ReplaceTargets returns a value of a Link header in which each target is what
// replace makes of it, where that is true, and tells whether one is. All else is
// as it was.
func ReplaceTargets(value string, replace func(target string) (string, bool)) (string, bool) {
	var out strings.Builder
	done := 0
	for _, link := range ParseLinks(value) {
		if other, replaced := replace(link.Target); replaced {
			out.WriteString(value[done:link.from] + other)
			done = link.from + len(link.Target)
		}
	}
	if done == 0 {
		return value, false
	}
	return out.String() + value[done:], true
}

// scanner reads the value of a header from the left to the right.
type scanner struct {
	text string
	at   int
}

func (s *scanner) done() bool {
	return s.at == len(s.text)
}

// skip goes on behind all of some characters.
func (s *scanner) skip(characters string) {
	for !s.done() && strings.IndexByte(characters, s.text[s.at]) >= 0 {
		s.at++
	}
}

// until returns the text before the first of some characters.
func (s *scanner) until(characters string) string {
	from := s.at
	for !s.done() && strings.IndexByte(characters, s.text[s.at]) < 0 {
		s.at++
	}
	return s.text[from:s.at]
}

// pass goes on to the next comma that is not within quotes.
func (s *scanner) pass() {
	for s.until(`,"`); !s.done() && s.text[s.at] == '"'; s.until(`,"`) {
		s.quoted()
	}
}

// quoted reads a quoted string, or what there is of one that has no end.
func (s *scanner) quoted() string {
	var out strings.Builder
	for s.at++; !s.done(); s.at++ {
		switch c := s.text[s.at]; c {
		case '"':
			s.at++
			return out.String()
		case '\\':
			if s.at++; s.done() {
				return out.String()
			}
		}
		out.WriteByte(s.text[s.at])
	}
	return out.String()
}

// parameters reads those of a link (RFC 8288, appendix B.3).
func (s *scanner) parameters(link *Link) {
	given := false
	for {
		s.skip(" \t")
		if s.done() || s.text[s.at] != ';' {
			return
		}
		s.skip(" \t;")
		name, value := strings.ToLower(strings.Trim(s.until("=;,"), " \t")), ""
		if !s.done() && s.text[s.at] == '=' {
			s.at++
			s.skip(" \t")
			if !s.done() && s.text[s.at] == '"' {
				value = s.quoted()
			} else {
				value = strings.Trim(s.until(";,"), " \t")
			}
		}
		switch {
		case name == "rel" && !given:
			given = true
			link.Relations = strings.Fields(strings.ToLower(value))
		case name == "anchor":
			link.Anchor = value
		}
	}
}
