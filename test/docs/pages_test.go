package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is where the project begins.
const root = "../.."

// pages returns the documents by their paths from the root, in Markdown.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		relative, wrong := filepath.Rel(root, path)
		if wrong != nil {
			return wrong
		}
		found[relative] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 10 {
		t.Fatalf("only %d pages", len(found))
	}
	return found
}

// block is what stands between two fences, with the word behind the first.
type block struct{ language, text string }

// blocks cuts a page into its fenced blocks and the rest.
func blocks(page string) (fenced []block, rest string) {
	var text strings.Builder
	open, current := false, block{}
	for line := range strings.Lines(page) {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open:
			fenced, open = append(fenced, current), false
		case isFence:
			open, current = true, block{language: fence}
		case open:
			current.text += line
		default:
			text.WriteString(line)
		}
	}
	return fenced, text.String()
}

// anchors returns the names by which the headings of a page are linked to, as
// GitHub makes them.
func anchors(page string) map[string]bool {
	_, text := blocks(page)
	found := map[string]bool{}
	dropped := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for line := range strings.Lines(text) {
		heading := strings.TrimLeft(line, "#")
		if len(heading) == len(line) || !strings.HasPrefix(heading, " ") {
			continue
		}
		name := strings.ToLower(strings.TrimSpace(heading))
		name = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(name, "$1")
		found[strings.ReplaceAll(dropped.ReplaceAllString(name, ""), " ", "-")] = true
	}
	return found
}

// Links within the project lead to files that exist, and to headings of them.
func TestLinks(t *testing.T) {
	all := pages(t)
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for path, page := range all {
		_, text := blocks(page)
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file := path
			if target != "" {
				file = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s: %s leads nowhere", path, match[1])
				continue
			}
			if anchor != "" && filepath.Ext(file) == ".md" && !anchors(all[file])[anchor] {
				t.Errorf("%s: %s: there is no such heading", path, match[1])
			}
		}
	}
}

// The index of the documents names every one of them.
func TestIndexIsWhole(t *testing.T) {
	all := pages(t)
	for path := range all {
		if name, is := strings.CutPrefix(path, "docs/"); is && name != "README.md" && !strings.Contains(all["docs/README.md"], "("+name+")") {
			t.Errorf("docs/README.md does not name %s", name)
		}
	}
}

// Tests that documents name exist.
func TestNamedTests(t *testing.T) {
	sources := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Za-z0-9_]+)\(`)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, match := range function.FindAllStringSubmatch(string(text), -1) {
			sources[match[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9_]+)`")
	for path, page := range pages(t) {
		for _, match := range named.FindAllStringSubmatch(page, -1) {
			if !sources[match[1]] {
				t.Errorf("%s names %s, which there is not", path, match[1])
			}
		}
	}
}
