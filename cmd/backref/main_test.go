package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"backref": func() { os.Exit(Main()) },
	})
}

func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true})
}

func TestExitCodes(t *testing.T) {
	for args, want := range map[string]int{
		"version":               0,
		"config --upstream x":   exitFailure,
		"config --no-such-flag": exitUsage,
		"config argument":       exitUsage,
		"config --set nonsense": exitUsage,
		"nonsense":              exitUsage,
		"copy --referrers= localhost/a localhost/b":     exitUsage,
		"copy --referrers all localhost/a localhost/b":  exitUsage,
		"referrers --limit -1 localhost/a":              exitUsage,
		"diff localhost/a:v1":                           exitUsage,
		"diff --max-document 0 localhost/a localhost/b": exitUsage,
		"policy test":                                exitUsage,
		"policy test -f /dev/null":                   exitUsage,
		"policy test -f testdata/cases/failing.yaml": exitFailure,
		"policy test -f testdata/cases/passing.yaml": 0,
		"policy explain A":                           exitUsage,
	} {
		var stdout, stderr bytes.Buffer
		if got := run(t.Context(), strings.Fields(args), nil, &stdout, &stderr); got != want {
			t.Errorf("%s: got %d, want %d: %s", args, got, want, stderr.String())
		}
		if want != 0 && !strings.HasPrefix(stderr.String(), "backref: ") {
			t.Errorf("%s: says %q", args, stderr.String())
		}
	}
}

func TestReferenceNamesTheFlags(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shortcuts() {
		if row := fmt.Sprintf("| `--%s` | `%s` |", s.flag, s.key); !strings.Contains(string(page), row) {
			t.Errorf("docs/configuration.md has no row %s", row)
		}
	}
}

func TestCommandsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"tree", "referrers", "diff", "parents", "tags", "copy"} {
		if !strings.Contains(string(page), "\n## "+command+"\n") {
			t.Errorf("docs/commands.md says nothing of %s", command)
		}
		cmd, _, err := newRoot(nil).Find([]string{command})
		if err != nil || cmd.Name() != command || cmd.Example == "" || cmd.ValidArgsFunction == nil {
			t.Errorf("%s: has no example or completes nothing, or is missing: %v", command, err)
		}
	}
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	var stderr bytes.Buffer
	if got := run(t.Context(), []string{"copy", "--help"}, nil, full, &stderr); got != exitFailure || !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("%d: %s", got, stderr.String())
	}
}

func TestTableIsPrintable(t *testing.T) {
	var out bytes.Buffer
	paper := newSheet(&out, time.Now(), os.Environ())
	if paper.table([]column{{name: "A"}, {name: "B"}}, [][]string{{"\x1b[2J", "a\nb"}}); out.String() != "A        B\n"+`\x1b[2J  a\nb`+"\n" {
		t.Errorf("%q", out.String())
	}
}

func TestCompleteFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("apple", 0o700); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(completeFiles("oci:", "ap"), " "); got != "oci:apple/" {
		t.Errorf("%q", got)
	}
}
