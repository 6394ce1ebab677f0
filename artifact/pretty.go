package artifact

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// clip returns a text of an author as far as it is kept: [MaxText] bytes of valid
// UTF-8, with an ellipsis where there were more.
func clip(text string) string {
	short := valid(cutBytes(text, MaxText))
	if len(text) > MaxText {
		short += "…"
	}
	return strings.Clone(short)
}

// cutBytes cuts a text to so many bytes, and no character in half.
func cutBytes(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most
	for end > most-utf8.UTFMax && end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// pretty indents a text that is known to be JSON, up to [MaxPretty] bytes, and
// reports whether that is all of it. Names stay in their order, also those that
// are given twice. [encoding/json.Indent] would make a large text of one that is
// nested deep.
func pretty(body []byte) (indented string, whole bool) {
	var out bytes.Buffer
	depth, opened := 0, false
	newline := func() {
		out.WriteByte('\n')
		for range depth {
			out.WriteString("  ")
		}
	}
	for at := 0; at < len(body); at++ {
		if out.Len() > MaxPretty {
			return valid(cutBytes(out.String(), MaxPretty)), false
		}
		b := body[at]
		switch b {
		case ' ', '\t', '\r', '\n':
			continue
		case '}', ']':
			depth--
			if !opened {
				newline()
			}
			opened = false
			out.WriteByte(b)
			continue
		}
		if opened {
			newline()
			opened = false
		}
		switch b {
		case '{', '[':
			depth++
			opened = true
			out.WriteByte(b)
		case ',':
			out.WriteByte(b)
			newline()
		case ':':
			out.WriteString(": ")
		case '"':
			end := stringEnd(body, at)
			out.Write(body[at:min(end, at+MaxPretty+1)])
			at = end - 1
		default:
			out.WriteByte(b)
		}
	}
	return valid(cutBytes(out.String(), MaxPretty)), out.Len() <= MaxPretty
}

// stringEnd returns where the string ends that begins at a quote.
func stringEnd(body []byte, at int) int {
	for end := at + 1; end < len(body); end++ {
		switch body[end] {
		case '\\':
			end++
		case '"':
			return end + 1
		}
	}
	return len(body)
}

func valid(text string) string { return strings.ToValidUTF8(text, "\ufffd") }
