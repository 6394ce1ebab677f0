package artifact_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backref/backref/artifact"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// What is read of each document of testdata is in the file beside it, without
// the text that is shown.
func TestGolden(t *testing.T) {
	documents, err := filepath.Glob("testdata/documents/*")
	if err != nil || len(documents) < 20 {
		t.Fatalf("%d documents: %v", len(documents), err)
	}
	for _, path := range documents {
		t.Run(filepath.Base(path), func(t *testing.T) {
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			read := artifact.Read("application/octet-stream", body)
			if read.Format != artifact.Text && read.Format != artifact.JSON && read.SBOM == nil && read.Report == nil && read.Statements == nil && read.Bundle == nil && read.Signed == nil {
				if !strings.HasPrefix(string(read.Format), "notation") && read.Format != artifact.CycloneDXXML {
					t.Errorf("%s without any part", read.Format)
				}
			}
			shown := read.Pretty
			read.Pretty, read.Payload = "", ""
			got := indented(t, read)
			golden := filepath.Join("testdata/golden", filepath.Base(path)+".json")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("go test ./artifact -run Golden -update writes it anew: %v\n%s", err, got)
			}
			var first, second any
			if json.Unmarshal(body, &first) == nil && (json.Unmarshal([]byte(shown), &second) != nil || string(indented(t, first)) != string(indented(t, second))) {
				t.Errorf("what is shown says something else:\n%s", shown)
			}
		})
	}
}

func indented(t *testing.T, value any) []byte {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
