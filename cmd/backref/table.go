package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/rivo/uniseg"
	"golang.org/x/term"

	"github.com/backref/backref/client"
)

// sheet is what a text for people is written on.
type sheet struct {
	io.Writer
	now time.Time
	// width is that of the terminal in columns; 0 where there is none, or where
	// nothing is to be cut.
	width int
	// wide shows all columns, whole shows digests in full.
	wide, whole bool
	colour      bool
}

// newSheet returns the sheet for an output. Colours are for terminals
// that may be given some.
func newSheet(out io.Writer, now time.Time, environ []string) *sheet {
	s := &sheet{Writer: out, now: now}
	file, is := terminalOf(out)
	if !is {
		return s
	}
	s.colour = wantsColours(environ)
	if width, _, err := term.GetSize(int(file.Fd())); err == nil {
		s.width = width
	}
	return s
}

// shownHash is how many digits of a hash are shown where digests are short.
const shownHash = 12

// digest writes a digest, short unless it is wanted whole.
func (s *sheet) digest(sum digest.Digest) string {
	algorithm, hash, found := strings.Cut(sum.String(), ":")
	if s.whole || !found || len(hash) <= shownHash {
		return sum.String()
	}
	return algorithm + ":" + hash[:shownHash]
}

// styled writes a text in a style where the sheet has colours.
func (s *sheet) styled(style, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return styled(style, text)
}

// column is one of a table.
type column struct {
	name string
	// wide says that it is shown with -o wide only.
	wide bool
	// cut says that its texts are cut short where the terminal is too narrow.
	cut bool
}

const (
	// gap is what is between columns.
	gap = 2
	// leastWidth is what remains of a column that is cut.
	leastWidth = 10
)

// table writes rows in columns, each row a text for each column.
func (s *sheet) table(columns []column, rows [][]string) {
	lines, shown := make([][]string, len(rows)+1), []column{}
	for i, c := range columns {
		if c.wide && !s.wide {
			continue
		}
		shown, lines[0] = append(shown, c), append(lines[0], c.name)
		for j, row := range rows {
			lines[j+1] = append(lines[j+1], client.Printable(row[i]))
		}
	}
	widths := s.widths(shown, lines)
	for i, line := range lines {
		var text strings.Builder
		for j, cell := range line {
			cell = cutTo(cell, widths[j])
			text.WriteString(cell)
			if j < len(line)-1 {
				text.WriteString(strings.Repeat(" ", widths[j]-uniseg.StringWidth(cell)+gap))
			}
		}
		whole := strings.TrimRight(text.String(), " ")
		if i == 0 {
			whole = s.styled(styleBold, whole)
		}
		_, _ = fmt.Fprintln(s, whole)
	}
}

// widths returns how wide the columns of lines are: each as its widest cell, but
// for those that are cut, the widest first, until all have room.
func (s *sheet) widths(columns []column, lines [][]string) []int {
	widths, total := make([]int, len(columns)), gap*(len(columns)-1)
	for i := range columns {
		for _, line := range lines {
			widths[i] = max(widths[i], uniseg.StringWidth(line[i]))
		}
		total += widths[i]
	}
	for ; s.width > 0 && total > s.width; total-- {
		widest := -1
		for i, c := range columns {
			if c.cut && widths[i] > leastWidth && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

// cutTo cuts a text that is wider than some columns, and says so by an ellipsis.
func cutTo(text string, width int) string {
	if uniseg.StringWidth(text) <= width {
		return text
	}
	var kept strings.Builder
	used := 0
	for clusters := uniseg.NewGraphemes(text); clusters.Next(); {
		if used += clusters.Width(); used > width-1 {
			break
		}
		kept.WriteString(clusters.Str())
	}
	return kept.String() + "…"
}
