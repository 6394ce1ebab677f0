package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/backref/backref/client"
	"github.com/backref/backref/compare"
	"github.com/backref/backref/index"
	"github.com/backref/backref/notice"
	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/transfer"
	"github.com/backref/backref/upstream/probe"
)

var update = flag.Bool("update", false, "rewrite the schema of outputs")

// outputSchema is the file that describes what commands print as JSON.
const outputSchema = "../../docs/output.schema.json"

// node has the fields of a node of a tree, of which each has nodes.
type node client.Node

// outputs are what commands print with -o json, and the lines that they print
// where no terminal is, by the name of the command.
func outputs() map[string]reflect.Type {
	return map[string]reflect.Type{
		"referrers":     reflect.TypeFor[[]client.Referrer](),
		"tree":          reflect.TypeFor[node](),
		"diff":          reflect.TypeFor[compare.Difference](),
		"tags":          reflect.TypeFor[[]client.Tag](),
		"parents":       reflect.TypeFor[[]client.Parent](),
		"adopt":         reflect.TypeFor[[]transfer.Adoption](),
		"delete":        reflect.TypeFor[[]client.Deletion](),
		"replace":       reflect.TypeFor[[]client.Deletion](),
		"copy":          reflect.TypeFor[copyLine](),
		"copyTags":      reflect.TypeFor[tagsLine](),
		"doctor":        reflect.TypeFor[health](),
		"upstreamProbe": reflect.TypeFor[probe.Report](),
		"rebuild":       reflect.TypeFor[reconcile.Line](),
		"prune":         reflect.TypeFor[reconcile.Pruned](),
		"hold":          reflect.TypeFor[reconcile.Held](),
		"audit":         reflect.TypeFor[[]reconcile.AuditRecord](),
		"notices":       reflect.TypeFor[[]notice.Entry](),
		"deadLetters":   reflect.TypeFor[[]notice.DeadLetter](),
		"retain":        reflect.TypeFor[reconcile.Line](),
		"stats":         reflect.TypeFor[index.Stats](),
		"policyTest":    reflect.TypeFor[policyReport](),
		"policyExplain": reflect.TypeFor[explanation](),
	}
}

// schemaOfOutputs derives the schema from the types that are printed.
func schemaOfOutputs(t *testing.T) []byte {
	t.Helper()
	options := &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{reflect.TypeFor[client.Node](): {Ref: "#/$defs/tree"}}}
	schema := &jsonschema.Schema{
		Schema:      "https://json-schema.org/draft/2020-12/schema",
		Title:       "What the commands of backref print as JSON",
		Description: "By command. copy, copyTags (copies of many tags), rebuild (verify too), retain, prune and hold print one object a line; the others one value.",
		Defs:        map[string]*jsonschema.Schema{},
	}
	for name, printed := range outputs() {
		derived, err := jsonschema.ForType(printed, options)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		extensible(derived)
		schema.Defs[name] = derived
	}
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// extensible lets objects have fields that are not described: later versions may
// add some.
func extensible(schema *jsonschema.Schema) {
	if len(schema.Properties) > 0 {
		schema.AdditionalProperties = nil
	}
	for _, property := range schema.Properties {
		extensible(property)
	}
	if schema.Items != nil {
		extensible(schema.Items)
	}
}

// What is printed as JSON is described, and changes with its description only.
func TestOutputsAreDescribed(t *testing.T) {
	derived := schemaOfOutputs(t)
	if *update {
		if err := os.WriteFile(outputSchema, derived, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(outputSchema)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written, derived) {
		t.Errorf("%s is not what is printed: go test ./cmd/backref -run Described -update writes it anew; a field that goes or changes its type breaks programs", outputSchema)
	}
	host := tagRegistry(t)
	for name, args := range map[string][]string{"tags": {"tags", host + "/app"}, "tree": {"tree", host + "/app:v1.0.0"}, "referrers": {"referrers", host + "/app:v1.0.0"}, "diff": {"diff", host + "/app:v1.0.0", host + "/app:v1.0.0"}} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DOCKER_CONFIG", t.TempDir())
			var stdout, stderr strings.Builder
			if code := run(t.Context(), append(args, "-o", "json"), nil, &stdout, &stderr); code != 0 {
				t.Fatal(stderr.String())
			}
			var printed any
			if err := json.Unmarshal([]byte(stdout.String()), &printed); err != nil {
				t.Fatal(err)
			}
			if err := resolved(t, written, name).Validate(printed); err != nil {
				t.Errorf("%v: %s", err, stdout.String())
			}
		})
	}
}

// resolved returns the schema of one output.
func resolved(t *testing.T, document []byte, name string) *jsonschema.Resolved {
	t.Helper()
	var schema jsonschema.Schema
	if err := json.Unmarshal(document, &schema); err != nil {
		t.Fatal(err)
	}
	schema.Ref = "#/$defs/" + name
	ready, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return ready
}

// tagRegistry serves one tag with a long name, and an image.
func tagRegistry(t *testing.T) string {
	t.Helper()
	const manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
		`"artifactType":"application/vnd.example.with.a.long.name.that.nobody.needs","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":` +
		`"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/app/tags/list", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"name":"app","tags":["feature-with-a-long-name-in-the-branch","v1.0.0"]}`)
	})
	mux.HandleFunc("GET /v2/app/manifests/{tag}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		_, _ = fmt.Fprint(w, manifest)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}
