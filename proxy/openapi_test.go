package proxy_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/backref/backref/test/openapi"
)

// described is docs/openapi.yaml, which is read once.
var described = sync.OnceValues(loadOpenAPI)

func loadOpenAPI() (*openapi.Document, error) {
	return openapi.Load(context.Background(), "../docs/openapi.yaml")
}

// checkDescribed fails the test where an answer of ours is not as the document
// says.
func checkDescribed(t testing.TB, document *openapi.Document, method, at string, got reply) {
	t.Helper()
	asked, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Check(t.Context(), method, asked, openapi.Reply{Status: got.status, Header: got.header, Body: got.body}); err != nil {
		t.Error(err)
	}
}

// sample is what the tests fill in for the parameters of a path.
type sample map[string]string

// url returns the path of an operation with the parameters that it needs.
func (s sample) url(path string, operation *openapi3.Operation) (at string, asked url.Values) {
	asked = url.Values{}
	for _, p := range operation.Parameters {
		switch parameter := p.Value; {
		case parameter.In == openapi3.ParameterInPath:
			path = strings.ReplaceAll(path, "{"+parameter.Name+"}", s[parameter.Name])
		case parameter.Required:
			asked.Set(parameter.Name, s[parameter.Name])
		}
	}
	return path, asked
}

// TestOpenAPIParametersAreRead gives each described parameter so often that
// whoever reads it refuses it by its name.
func TestOpenAPIParametersAreRead(t *testing.T) {
	document, err := loadOpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	f := newStocked(t)
	document.Operations(func(_, path string, operation *openapi3.Operation) {
		if !strings.HasPrefix(path, "/v2/") {
			return
		}
		at, asked := f.sample().url(path, operation)
		for _, p := range operation.Parameters {
			if p.Value.In != openapi3.ParameterInQuery {
				continue
			}
			often := url.Values{}
			for name, values := range asked {
				often[name] = values
			}
			often[p.Value.Name] = slices.Repeat([]string{"x"}, 40)
			got := f.do(http.MethodGet, at+"?"+often.Encode(), nil)
			if got.status != http.StatusBadRequest || !strings.Contains(string(got.body), `"message":"`+p.Value.Name+": ") {
				t.Errorf("%s: %s is described but not read: %d %s", path, p.Value.Name, got.status, got.body)
			}
		}
	})
}

func TestOpenAPIHasWhatDiscoveryTells(t *testing.T) {
	document, err := loadOpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	var discovered struct {
		Extensions []struct{ Endpoints []string }
	}
	if err := json.Unmarshal(f.do(http.MethodGet, "/v2/_oci/ext/discover", nil).body, &discovered); err != nil {
		t.Fatal(err)
	}
	for _, e := range discovered.Extensions {
		for _, endpoint := range e.Endpoints {
			if !document.Has(endpoint) {
				t.Errorf("%s is not described", endpoint)
			}
		}
	}
}
