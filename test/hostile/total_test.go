package hostile

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/backref/backref/test/rig"
)

// TestTotal comes last, by the name of its file. Each test function of this
// package has run a case at least: a table that is empty, or a loop that is
// never entered, is a hole that no other test shows.
func TestTotal(t *testing.T) {
	total := int64(0)
	for _, function := range testFunctions(t) {
		ran, counted := cases.Load(function)
		if !counted {
			if chosen(t) {
				t.Errorf("%s ran no case", function)
			}
			continue
		}
		total += ran.(*atomic.Int64).Load()
	}
	rig.Report(t, fmt.Sprintf("hostile input: %d cases ran", total))
}

// chosen tells whether all tests of the package were asked for, in the order in
// which they are written.
func chosen(t *testing.T) bool {
	t.Helper()
	for name, all := range map[string]string{"test.run": "", "test.skip": "", "test.shuffle": "off"} {
		if flag.Lookup(name).Value.String() != all {
			return false
		}
	}
	return true
}

// testFunctions returns the names of the test functions that this package has,
// but for TestMain and TestTotal.
func testFunctions(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			function, is := declaration.(*ast.FuncDecl)
			if is && strings.HasPrefix(function.Name.Name, "Test") && function.Name.Name != "TestMain" && function.Name.Name != "TestTotal" {
				names = append(names, function.Name.Name)
			}
		}
	}
	if len(names) == 0 {
		t.Fatal("the package has no tests")
	}
	return names
}
