package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// documentedCommands returns the command lines of backref that the documents
// show, each with the place where it stands: lines of fenced blocks, and what is
// between backquotes.
func documentedCommands(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	inline := regexp.MustCompile("`backref [a-z][^`]*`")
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != "..":
			return filepath.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		fenced := false
		for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				fenced = !fenced
			}
			if !fenced {
				for _, command := range inline.FindAllString(line, -1) {
					found[strings.Trim(command, "`")] = path
				}
				continue
			}
			for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimSpace(line), "$ "), " | ") {
				part = strings.TrimPrefix(part, "./")
				if strings.HasPrefix(part, "backref ") {
					found[part] = path
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// words cuts a command line as a shell does, up to a comment, a redirection or
// another command.
func words(line string) []string {
	var cut []string
	var word strings.Builder
	quote, begun := rune(0), false
	end := func() {
		if begun {
			cut = append(cut, word.String())
		}
		word.Reset()
		begun = false
	}
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, begun = c, true
		case c == ' ':
			end()
		case strings.ContainsRune("<>", c) && strings.Trim(word.String(), "0123456789") == "", strings.ContainsRune("#;&|)…", c) && !begun:
			return cut
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	end()
	return cut
}

// Every command line in the documents is one that there is, with flags that it
// has, and as many arguments as it takes.
func TestDocumentedCommands(t *testing.T) {
	commands := documentedCommands(t)
	if len(commands) < 40 {
		t.Errorf("only %d commands were found", len(commands))
	}
	for line, place := range commands {
		args := words(line)[1:]
		root := newRoot(nil)
		cmd, rest, err := root.Find(args)
		if err == nil && cmd == root && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			err = noArguments(root, args)
		}
		if err == nil && cmd != root {
			err = understood(cmd, rest)
		}
		if err != nil {
			t.Errorf("%s: %s: %v", place, line, err)
		}
	}
}

// understood reports why a command would refuse what follows it. A command that
// is only named, without any arguments, is understood.
func understood(cmd *cobra.Command, rest []string) error {
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	args := cmd.Flags().Args()
	if len(args) == 0 || cmd.Args == nil {
		return nil
	}
	return cmd.Args(cmd, args)
}
