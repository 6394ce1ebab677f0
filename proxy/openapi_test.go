package proxy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// document is a part of an OpenAPI document; $ref leads to another.
type document struct {
	t    *testing.T
	root map[string]any
}

func readOpenAPI(t *testing.T) document {
	t.Helper()
	text, err := os.ReadFile("../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d := document{t: t}
	if err := yaml.Unmarshal(text, &d.root); err != nil {
		t.Fatal(err)
	}
	return d
}

// follow returns what a part is, or what it refers to.
func (d document) follow(part any) map[string]any {
	d.t.Helper()
	object, ok := part.(map[string]any)
	if !ok {
		d.t.Fatalf("%v is no object", part)
	}
	ref, isRef := object["$ref"].(string)
	if !isRef {
		return object
	}
	at := d.root
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		if at, ok = at[name].(map[string]any); !ok {
			d.t.Fatalf("%s leads nowhere", ref)
		}
	}
	return at
}

// refs checks that every reference leads somewhere.
func (d document) refs(part any) {
	switch part := part.(type) {
	case map[string]any:
		d.follow(part)
		for _, within := range part {
			d.refs(within)
		}
	case []any:
		for _, within := range part {
			d.refs(within)
		}
	}
}

// check checks a value against a schema: what is there is described, what is
// required is there, and it is of the type.
func (d document) check(at string, value, schemaPart any) {
	schema := d.follow(schemaPart)
	if allowed, given := schema["enum"].([]any); given && !slices.Contains(allowed, value) {
		d.t.Errorf("%s: %v is not one of %v", at, value, allowed)
	}
	if pattern, given := schema["pattern"].(string); given && !regexp.MustCompile(pattern).MatchString(fmt.Sprint(value)) {
		d.t.Errorf("%s: %v does not match %s", at, value, pattern)
	}
	switch value := value.(type) {
	case map[string]any:
		d.wantType(at, schema, "object")
		properties, _ := schema["properties"].(map[string]any)
		for name, within := range value {
			described, given := properties[name]
			if !given {
				described, given = schema["additionalProperties"]
			}
			if !given {
				d.t.Errorf("%s.%s is not described", at, name)
				continue
			}
			d.check(at+"."+name, within, described)
		}
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, given := value[fmt.Sprint(name)]; !given {
				d.t.Errorf("%s lacks %v", at, name)
			}
		}
	case []any:
		d.wantType(at, schema, "array")
		for i, within := range value {
			d.check(fmt.Sprintf("%s[%d]", at, i), within, schema["items"])
		}
	case string:
		d.wantType(at, schema, "string")
	case float64:
		d.wantType(at, schema, "integer")
	case bool:
		d.wantType(at, schema, "boolean")
	}
}

func (d document) wantType(at string, schema map[string]any, want string) {
	if schema["type"] != want {
		d.t.Errorf("%s is a %s, described as %v", at, want, schema["type"])
	}
}

// schemaOf returns the media type and the schema of a response.
func (d document) schemaOf(response any) (mediaType string, schema any) {
	content, ok := d.follow(response)["content"].(map[string]any)
	if !ok || len(content) != 1 {
		d.t.Fatalf("%v has not one media type", response)
	}
	for mediaType, described := range content {
		schema = d.follow(described)["schema"]
		return mediaType, schema
	}
	return "", nil
}

// TestOpenAPIIsTrue asks every path of the document, in front of a registry that
// has something of everything.
func TestOpenAPIIsTrue(t *testing.T) {
	d := readOpenAPI(t)
	d.refs(d.root)
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"), "v1")
	signature := referrer("signature", subject)
	f.push("app", signature)
	f.do(http.MethodPut, "/v2/app/manifests/all", indexOf(image("subject"), signature), "Content-Type", imageIndex)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/tags/list") {
			return false
		}
		_, _ = w.Write([]byte(`{"name":"app","tags":["v1","all"]}`))
		return true
	})
	sample := map[string]string{"name": "app", "digest": subject.String(), "subject": "all"}
	paths := d.follow(d.root["paths"])
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		operation := d.follow(d.follow(paths[path])["get"])
		asked := url.Values{}
		at := path
		var optional []string
		parameters, _ := operation["parameters"].([]any)
		for _, p := range parameters {
			parameter := d.follow(p)
			name := fmt.Sprint(parameter["name"])
			switch {
			case parameter["in"] == "path":
				at = strings.ReplaceAll(at, "{"+name+"}", sample[name])
			case parameter["required"] == true:
				asked.Set(name, sample[name])
				optional = append(optional, name)
			default:
				optional = append(optional, name)
			}
		}
		responses := d.follow(operation["responses"])
		got := f.do(http.MethodGet, at+"?"+asked.Encode(), nil)
		d.checkReply(path, got, http.StatusOK, responses["200"])
		for _, name := range optional {
			// No parameter may be given so often.
			often := maps.Clone(asked)
			often[name] = slices.Repeat([]string{"x"}, 40)
			got := f.do(http.MethodGet, at+"?"+often.Encode(), nil)
			d.checkReply(path, got, http.StatusBadRequest, responses["default"])
			if !strings.Contains(string(got.body), `"message":"`+name+": ") {
				t.Errorf("%s: %s is described but not read: %s", path, name, got.body)
			}
		}
	}
}

func (d document) checkReply(path string, got reply, status int, response any) {
	mediaType, schema := d.schemaOf(response)
	if got.status != status || got.header.Get("Content-Type") != mediaType {
		d.t.Errorf("%s: status %d, Content-Type %s", path, got.status, got.header.Get("Content-Type"))
	}
	var value any
	if err := json.Unmarshal(got.body, &value); err != nil {
		d.t.Errorf("%s: %v: %s", path, err, got.body)
		return
	}
	d.check(path, value, schema)
}

func TestOpenAPIHasWhatDiscoveryTells(t *testing.T) {
	d := readOpenAPI(t)
	f := newFixture(t)
	var discovered struct {
		Extensions []struct{ Endpoints []string }
	}
	if err := json.Unmarshal(f.do(http.MethodGet, "/v2/_oci/ext/discover", nil).body, &discovered); err != nil {
		t.Fatal(err)
	}
	for _, e := range discovered.Extensions {
		for _, endpoint := range e.Endpoints {
			if _, described := d.follow(d.root["paths"])[endpoint]; !described {
				t.Errorf("%s is not described", endpoint)
			}
		}
	}
}
