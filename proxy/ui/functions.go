package ui

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/client"
)

// functions are what templates can say.
func functions() template.FuncMap {
	return template.FuncMap{
		"short": shortDigest,
		"size":  sizeText,
		"age":   func(at time.Time) string { return ageText(time.Since(at)) },
		"time":  func(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") },
		"plain": client.Printable,
		"lines": printableLines,
		"web":   webAddress,
		"pass":  func(f frame, it any) passed { return passed{f, it} },
	}
}

// passed is what a part of a page is given: the page's frame, and what the part is
// about.
type passed struct {
	Frame frame
	It    any
}

// printableLines is [client.Printable] for a text of many lines, which keeps them, and
// the tabs in them.
func printableLines(text string) string {
	var printable strings.Builder
	for line := range strings.Lines(text) {
		whole := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		for i, cell := range strings.Split(whole, "\t") {
			if i > 0 {
				printable.WriteByte('\t')
			}
			printable.WriteString(client.Printable(cell))
		}
		if len(whole) < len(line) {
			printable.WriteByte('\n')
		}
	}
	return printable.String()
}

// address joins the parts of a path, each of which may have slashes of its own, with
// what is not allowed in a path encoded.
func address(parts ...any) string {
	var path strings.Builder
	for _, part := range parts {
		text := strings.Trim(fmt.Sprint(part), "/")
		path.WriteString("/" + (&url.URL{Path: text}).EscapedPath())
	}
	return path.String()
}

// shortDigest returns the beginning of a digest, as people tell digests apart.
func shortDigest(d digest.Digest) string {
	const shown = 12
	algorithm, encoded, found := strings.Cut(d.String(), ":")
	if !found || len(encoded) <= shown {
		return d.String()
	}
	return algorithm + ":" + encoded[:shown]
}

// sizeText writes a number of bytes for people, by powers of 1024.
func sizeText(bytes int64) string {
	if bytes < 1024 {
		return fmt.Sprintf("%d B", bytes)
	}
	size, units := float64(bytes), []string{"KiB", "MiB", "GiB", "TiB", "PiB"}
	unit := -1
	for size >= 1024 && unit < len(units)-1 {
		size /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}

// ageText writes how long ago something was.
func ageText(age time.Duration) string {
	const day = 24 * time.Hour
	plural := func(n time.Duration, unit string) string {
		if n == 1 {
			return "1 " + unit + " ago"
		}
		return fmt.Sprintf("%d %ss ago", n, unit)
	}
	switch {
	case age < -time.Minute:
		return "in the future"
	case age < time.Minute:
		return "just now"
	case age < time.Hour:
		return plural(age/time.Minute, "minute")
	case age < day:
		return plural(age/time.Hour, "hour")
	case age < 60*day:
		return plural(age/day, "day")
	case age < 730*day:
		return plural(age/(30*day), "month")
	default:
		return plural(age/(365*day), "year")
	}
}
