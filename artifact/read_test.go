package artifact_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/backref/backref/artifact"
)

// What is no document that is known is shown as what it is.
func TestFallbacks(t *testing.T) {
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write([]byte(`{"bomFormat":"CycloneDX"}`)); err != nil || writer.Close() != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		mediaType, body string
		want            artifact.Format
		shown           string
	}{
		"nothing":                 {"", "", artifact.Text, ""},
		"a text":                  {"text/plain", "hello\n", artifact.Text, "hello\n"},
		"an object":               {"text/plain", `{"b":1,"a":[],"b":{}}`, artifact.JSON, "{\n  \"b\": 1,\n  \"a\": [],\n  \"b\": {}\n}"},
		"an array":                {"", `[ 1, "x,{" ]`, artifact.JSON, "[\n  1,\n  \"x,{\"\n]"},
		"a number":                {"", "1e999", artifact.JSON, "1e999"},
		"another version of SPDX": {"application/spdx+json", `{"spdxVersion":7}`, artifact.JSON, "{\n  \"spdxVersion\": 7\n}"},
		"half of a document":      {"application/spdx+json", `{"spdxVersion":"SPDX-2.3",`, artifact.Text, `{"spdxVersion":"SPDX-2.3",`},
		"lines that are no JSON":  {"", "{}\n{", artifact.Text, "{}\n{"},
		"gzip":                    {"application/vnd.cyclonedx+json", packed.String(), artifact.Archive, ""},
		"zip":                     {"", "PK\x03\x04rest", artifact.Archive, ""},
		"tar":                     {"", strings.Repeat("a", 257) + "ustar", artifact.Archive, ""},
		"bytes":                   {"application/json", "\x00\x01\xff", artifact.Binary, ""},
		"a byte order mark":       {"", "\ufeff{}", artifact.JSON, "{}"},
		"COSE by its type":        {"application/cose; cose-type=x", "\xd1\x00", artifact.NotationCOSE, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := artifact.Read(c.mediaType, []byte(c.body))
			if got.Format != c.want || got.Pretty != c.shown {
				t.Errorf("%s: %q", got.Format, got.Pretty)
			}
			if got.SBOM != nil || got.Report != nil || got.Statements != nil {
				t.Errorf("parts: %+v", got)
			}
		})
	}
}

// What readers may disagree about is said.
func TestDoubts(t *testing.T) {
	for name, c := range map[string]struct{ body, doubt string }{
		"a name twice":      {`{"bomFormat":"CycloneDX","components":[{"name":"a","version":"1","version":"2"}]}`, `"version" is given twice`},
		"in another case":   {`{"spdxVersion":"SPDX-2.3","Packages":[]}`, `"packages" is written as "Packages"`},
		"no UTF-8":          {"{\"bomFormat\":\"CycloneDX\",\"components\":[{\"name\":\"a\xff\"}]}", "not UTF-8"},
		"a payload":         {`{"payloadType":"x","payload":"§","signatures":[]}`, "not in base64"},
		"a certificate":     {`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"certificate":{"rawBytes":"AA=="}}}`, "can't be read"},
		"within a document": {`{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://cyclonedx.org/bom","predicate":{"bomFormat":"CycloneDX","components":[{"purl":"a","purl":"b"}]}}`, `"purl" is given twice`},
	} {
		t.Run(name, func(t *testing.T) {
			got := artifact.Read("", []byte(c.body))
			if !strings.Contains(strings.Join(got.Doubts, "\n"), c.doubt) {
				t.Errorf("%q", got.Doubts)
			}
		})
	}
}

// Values of other types than they should be cost themselves alone.
func TestOtherTypes(t *testing.T) {
	got := artifact.Read("", []byte(`{"bomFormat":"CycloneDX","specVersion":1.6,"metadata":[],"components":[7,{"name":"a","version":1,"purl":"pkg:npm/a","licenses":"MIT"},null,{"name":"b"}]}`))
	if got.SBOM == nil || got.SBOM.Total != 4 || len(got.SBOM.Packages) != 4 || got.SBOM.Packages[1].PURL != "pkg:npm/a" || got.SBOM.Packages[3].Name != "b" {
		t.Errorf("%+v", got.SBOM)
	}
	got = artifact.Read("", []byte(`{"version":"2.1.0","runs":[{"results":{"a":1}},{"results":[{"ruleId":"r","ruleIndex":99999999999999999999,"level":3}]}]}`))
	if got.Report == nil || len(got.Report.Findings) != 1 || got.Report.Findings[0].Severity != artifact.Medium {
		t.Errorf("%+v", got.Report)
	}
}

// What is beyond a bound is cut, counted and named.
func TestBounds(t *testing.T) {
	const many = 1_000_000
	packages := `{"spdxVersion":"SPDX-2.3","packages":[` + strings.Repeat(`{"name":"p"},`, many-1) + `{"name":"p"}]}`
	got := artifact.Read("", []byte(packages))
	if got.SBOM == nil || got.SBOM.Total != many || len(got.SBOM.Packages) != artifact.MaxEntries {
		t.Fatalf("%+v", got.Cut)
	}
	wantCut(t, got, "100000 of 1000000 packages are kept")
	wantCut(t, got, "of the text are shown")
	if len(got.Pretty) > artifact.MaxPretty {
		t.Errorf("%d bytes are shown", len(got.Pretty))
	}

	deep := strings.Repeat(`{"components":[`, 2000) + strings.Repeat("]}", 2000)
	got = artifact.Read("", []byte(`{"bomFormat":"CycloneDX","components":[`+deep+`]}`))
	wantCut(t, got, "nested more than 256 deep")
	if got.Format != artifact.JSON || len(got.Pretty) > artifact.MaxPretty {
		t.Errorf("%s, %d bytes", got.Format, len(got.Pretty))
	}
	got = artifact.Read("", []byte(`{"bomFormat":"CycloneDX","components":[`+strings.Repeat(`{"name":"a","components":[`, 8)+strings.Repeat("]}", 8)+`]}`))
	wantCut(t, got, "4 deep")
	if got.SBOM.Total != 4 {
		t.Errorf("%d components", got.SBOM.Total)
	}
	got = artifact.Read("", []byte(`{"bomFormat":"CycloneDX","components":[{"name":"`+strings.Repeat("é", artifact.MaxText)+`","licenses":[`+strings.Repeat(`{"expression":"MIT"},`, 99)+`{}]}]}`))
	if name := got.SBOM.Packages[0].Name; len(name) > artifact.MaxText+3 || !strings.HasSuffix(name, "é…") {
		t.Errorf("%d bytes: %q", len(name), name[len(name)-8:])
	}
	wantCut(t, got, "the first 16 are kept")

	statement := `{}`
	for range 20 {
		statement = `{"_type":"https://in-toto.io/Statement/v1","predicateType":"x","predicate":` + statement + `}`
	}
	wantCut(t, artifact.Read("", []byte(statement)), "more than 6 deep")
	wantCut(t, artifact.Read("", []byte(strings.Repeat(`{"_type":"https://in-toto.io/Statement/v1"}`+"\n", 100))), "64 of 100 documents are kept")
	got = artifact.Read("", bytes.Repeat([]byte(" {"), artifact.MaxBody))
	wantCut(t, got, "67108864 are read")
	if len(got.Pretty) != artifact.MaxPretty {
		t.Errorf("%d bytes are shown", len(got.Pretty))
	}
}

// However a document is made, what it costs is in proportion to its size.
func TestMemory(t *testing.T) {
	const size = 1 << 20
	for name, c := range map[string][3]string{
		"results":    {`{"SchemaVersion":2,"ArtifactName":"","Results":[{"Vulnerabilities":[0`, `,{}`, `]}]}`},
		"runs":       {`{"version":"2.1.0","runs":[{"results":[0`, `,{}`, `]}]}`},
		"licences":   {`{"bomFormat":"CycloneDX","components":[0`, `,{"licenses":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]}`, `]}`},
		"components": {`{"bomFormat":"CycloneDX","components":[0`, `,{"components":[{}]}`, `]}`},
		"elements":   {`{"@context":"https://spdx.org/rdf/3.0.1","@graph":[0`, `,{}`, `]}`},
		"names":      {`{"critical":{"image":{"docker-manifest-digest":"a"}},"optional":{"":0`, `,"a":0`, `}}`},
		"statements": {`{"@context":"https://openvex.dev/ns","statements":[0`, `,{"products":["","","",""]}`, `]}`},
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte(c[0] + strings.Repeat(c[1], size/len(c[1])) + c[2])
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			read := artifact.Read("", body)
			runtime.ReadMemStats(&after)
			// All that was ever allocated, garbage too.
			if took := after.TotalAlloc - before.TotalAlloc; took > 400*size {
				t.Errorf("%d MiB for a document of %d", took>>20, size>>20)
			}
			if read.Format == artifact.JSON {
				t.Error("it was not recognised")
			}
		})
	}
}

func wantCut(t *testing.T, d artifact.Document, text string) {
	t.Helper()
	if !strings.Contains(strings.Join(d.Cut, "\n"), text) {
		t.Errorf("%q is not said: %q", text, d.Cut)
	}
}

func TestSeverities(t *testing.T) {
	report := artifact.Read("", []byte(`{"matches":[`+strings.Join([]string{match("Critical"), match("high"), match("Moderate"), match("Low"), match("negligible"), match("?")}, ",")+`],"descriptor":{"name":"grype"}}`)).Report
	counts := report.Counts()
	for _, s := range artifact.Severities() {
		if counts[s] != 1 {
			t.Errorf("%s: %d", s, counts[s])
		}
	}
}

func match(severity string) string {
	return fmt.Sprintf(`{"vulnerability":{"id":"x","severity":%q}}`, severity)
}

// FuzzRead makes sure that nothing is too strange to be read, and that what comes
// out is within the bounds.
func FuzzRead(f *testing.F) {
	documents, err := filepath.Glob("testdata/documents/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range documents {
		body, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("application/octet-stream", body)
	}
	f.Fuzz(func(t *testing.T, mediaType string, body []byte) {
		d := artifact.Read(mediaType, body)
		if d.Format == "" || len(d.Pretty) > artifact.MaxPretty || !utf8.ValidString(d.Pretty) || !utf8.ValidString(d.Payload) {
			t.Errorf("%q: %d bytes", d.Format, len(d.Pretty))
		}
		if s := d.SBOM; s != nil && (s.Packages == nil || s.Total < len(s.Packages)) {
			t.Errorf("%d packages of %d", len(s.Packages), s.Total)
		}
		if r := d.Report; r != nil && (r.Findings == nil || r.Total < len(r.Findings)) {
			t.Errorf("%d findings of %d", len(r.Findings), r.Total)
		}
		if got := indented(t, d); !utf8.Valid(got) || bytes.Contains(got, []byte("\\ufffd")) {
			t.Error("not all texts are UTF-8")
		}
	})
}
