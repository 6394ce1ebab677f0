package registry_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Nothing is written to the registry, or deleted there, of backref's own accord
// but by OwnTags and Removal.
func TestOwnTagsAreTheOnlyWay(t *testing.T) {
	writing := []string{"PutManifest", "DeleteManifest", "DeleteTag"}
	var found []string
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && path != ".." || path == "../test") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		// The command line writes what its user asks for, by a client of its own.
		if !slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return strings.HasSuffix(i.Path.Value, `backref/upstream"`) }) {
			return nil
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if selector, is := node.(*ast.SelectorExpr); is && (slices.Contains(writing, selector.Sel.Name)) {
				found = append(found, filepath.Base(path)+" "+selector.Sel.Name)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	// What a client pushes is kept under the tag that it is pushed by, and a kept tag.
	want := []string{"bring.go PutManifest", "keep.go PutManifest", "owntags.go DeleteManifest", "owntags.go DeleteTag", "owntags.go PutManifest", "owntags.go PutManifest", "removal.go DeleteManifest"}
	if !slices.Equal(found, want) {
		t.Errorf("found %q\nwant %q", found, want)
	}
}
