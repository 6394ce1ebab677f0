package wrap

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// cut stands at the end of a text that was longer.
const cut = "…"

// Printable returns a text that a client chose as the log may have it: at most
// so many bytes of it, and nothing that a terminal or a reader of lines could
// take for something else than letters.
func Printable(text string, most int) string {
	if len(text) <= most && plain(text) {
		return text
	}
	shortened := ""
	if len(text) > most {
		for most > 0 && !utf8.RuneStart(text[most]) {
			most--
		}
		text, shortened = text[:most], cut
	}
	return strings.Map(func(c rune) rune {
		if c == ' ' || unicode.IsPrint(c) {
			return c
		}
		return utf8.RuneError
	}, text) + shortened
}

// plain tells whether a text is of printable ASCII alone.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
