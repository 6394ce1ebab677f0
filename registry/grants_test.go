package registry

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/index"
)

// Nobody lets a caller in but the gate, which asks the upstream, and the rules.
func TestGrantsAreMadeByTheGateAndTheRules(t *testing.T) {
	var found []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.CallExpr:
				if s, is := n.Fun.(*ast.SelectorExpr); is && s.Sel.Name == "grantFor" {
					found = append(found, path+" grantFor")
				}
			case *ast.CompositeLit:
				if name, is := n.Type.(*ast.Ident); is && name.Name == "Grant" {
					found = append(found, path+" Grant")
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	want := []string{"gate.go grantFor", "grant.go Grant", "rules.go grantFor"}
	if !slices.Equal(slices.Compact(found), want) {
		t.Errorf("found %q\nwant %q", found, want)
	}
}

// A caller whom nobody has let in is shown nothing of the index, also where a
// check was forgotten.
func TestTheZeroGrantShowsNothing(t *testing.T) {
	ctx, grant := t.Context(), Grant{}
	if _, err := grant.referrers(ctx, someDigest, index.Query{}); !errors.Is(err, errNoGrant) {
		t.Errorf("referrers: %v", err)
	}
	if _, _, err := grant.manifests(ctx, index.Query{}); !errors.Is(err, errNoGrant) {
		t.Errorf("manifests: %v", err)
	}
	if _, err := grant.record(ctx, someDigest); !errors.Is(err, errNoGrant) {
		t.Errorf("record: %v", err)
	}
}
