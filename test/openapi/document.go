package openapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// Document is an OpenAPI document whose schemas are taken to be whole: what an
// object has beside its described properties is wrong. Its methods may be called
// at once.
type Document struct {
	spec      *openapi3.T
	templates []template

	mutex sync.Mutex
	seen  map[Answer]bool
}

// Answer is what a document describes: one status of one operation.
type Answer struct {
	Method, Path string
	Status       int
}

// String returns the answer as "GET /v2/{name}/referrers/{digest} 200".
func (a Answer) String() string {
	return fmt.Sprint(a.Method, " ", a.Path, " ", a.Status)
}

// template is a described path.
type template struct {
	path    string
	item    *openapi3.PathItem
	matches *regexp.Regexp
	// admin says that the admin listener has it.
	admin bool
}

// Load reads a document, and fails where it is not valid, or a status of it is a
// range or the default, which would describe any.
func Load(ctx context.Context, path string) (*Document, error) {
	openapi3filter.RegisterBodyDecoder(mediaTypeLines, decodeLines)
	openapi3filter.RegisterBodyDecoder(mediaTypeAtom, decodeText)
	spec, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if err := spec.Validate(ctx); err != nil {
		return nil, fmt.Errorf("%s is not valid: %w", path, err)
	}
	d := &Document{spec: spec, seen: map[Answer]bool{}}
	for _, path := range slices.Sorted(maps.Keys(spec.Paths.Map())) {
		item := spec.Paths.Value(path)
		matches, err := regexp.Compile(pattern(path))
		if err != nil {
			return nil, fmt.Errorf("path %s: %w", path, err)
		}
		d.templates = append(d.templates, template{path, item, matches, len(item.Servers) > 0})
	}
	if _, err := d.described(); err != nil {
		return nil, err
	}
	whole := closing{}
	for _, schema := range spec.Components.Schemas {
		whole.close(schema)
	}
	for _, response := range spec.Components.Responses {
		whole.closeContent(response.Value.Content)
	}
	for _, template := range d.templates {
		for _, operation := range template.item.Operations() {
			for _, response := range operation.Responses.Map() {
				whole.closeContent(response.Value.Content)
			}
		}
	}
	return d, nil
}

// pattern returns the regular expression of a path. A repository may have
// slashes, other parameters have none.
func pattern(path string) string {
	expression := regexp.QuoteMeta(path)
	expression = strings.ReplaceAll(expression, `\{name\}`, `.+`)
	return "^" + regexp.MustCompile(`\\\{[^}]+\\\}`).ReplaceAllString(expression, `[^/]+`) + "$"
}

// described returns all answers that the document has.
func (d *Document) described() ([]Answer, error) {
	var all []Answer
	for _, template := range d.templates {
		for method, operation := range template.item.Operations() {
			for text := range operation.Responses.Map() {
				answer := Answer{Method: method, Path: template.path}
				if _, err := fmt.Sscanf(text, "%03d", &answer.Status); err != nil || http.StatusText(answer.Status) == "" {
					return nil, fmt.Errorf("%s %s: %s is no status", method, template.path, text)
				}
				all = append(all, answer)
			}
		}
	}
	return all, nil
}

// NotSeen returns the described answers that Check has not seen, in the order of
// their text.
func (d *Document) NotSeen() []string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	all, _ := d.described()
	var missing []string
	for _, answer := range all {
		if !d.seen[answer] {
			missing = append(missing, answer.String())
		}
	}
	slices.Sort(missing)
	return missing
}

// Operations calls visit for each described operation, in the order of the paths.
func (d *Document) Operations(visit func(method, path string, operation *openapi3.Operation)) {
	for _, template := range d.templates {
		for _, method := range slices.Sorted(maps.Keys(template.item.Operations())) {
			visit(method, template.path, template.item.GetOperation(method))
		}
	}
}

// Has tells whether a path is described.
func (d *Document) Has(path string) bool {
	return d.spec.Paths.Value(path) != nil
}

// closing makes schemas whole, each once.
type closing map[*openapi3.Schema]bool

func (c closing) closeContent(content openapi3.Content) {
	for _, mediaType := range content {
		c.close(mediaType.Schema)
	}
}

func (c closing) close(ref *openapi3.SchemaRef) {
	if ref == nil || ref.Value == nil || c[ref.Value] {
		return
	}
	schema := ref.Value
	c[schema] = true
	if more := &schema.AdditionalProperties; len(schema.Properties) > 0 && more.Has == nil && more.Schema == nil {
		more.Has = new(bool)
	}
	for _, property := range schema.Properties {
		c.close(property)
	}
	c.close(schema.Items)
	c.close(schema.AdditionalProperties.Schema)
}
