package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// The sequences by which terminals are told colours (ECMA-48, "Select Graphic
// Rendition").
const (
	styleBold   = "\x1b[1m"
	styleFaint  = "\x1b[2m"
	styleRed    = "\x1b[31m"
	styleGreen  = "\x1b[32m"
	styleYellow = "\x1b[33m"
	styleBlue   = "\x1b[34m"
	styleEnd    = "\x1b[0m"
)

// terminalOf returns the terminal that an output goes to, the output of the
// process among them, and whether it is one.
func terminalOf(out io.Writer) (*os.File, bool) {
	if w, ok := out.(*remembering); ok {
		out = w.Writer
	}
	file, ok := out.(*os.File)
	return file, ok && term.IsTerminal(int(file.Fd()))
}

// wantsColours tells whether a terminal may be given colours: unless NO_COLOR is
// set (no-color.org), or it is a dumb one.
func wantsColours(environ []string) bool {
	for _, variable := range environ {
		switch name, value, _ := strings.Cut(variable, "="); {
		case name == "NO_COLOR" && value != "", name == "TERM" && value == "dumb":
			return false
		}
	}
	return true
}

// styled writes a text in a style.
func styled(style, text string) string { return style + text + styleEnd }
