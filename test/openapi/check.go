package openapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// adminServer is the header Server of the admin listener's answers, and of no
// others.
const adminServer = "backref"

// Reply is an answer that was read to its end.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Check returns what the document doesn't say of an answer, if that is one of our
// own. Answers of other paths are the registry's, and so is the answer of a path
// of ours that is not described, as long as it is an error.
func (d *Document) Check(ctx context.Context, method string, asked *url.URL, reply Reply) error {
	found, described := d.find(asked.EscapedPath(), reply.Header.Get("Server") == adminServer)
	failed := reply.Status >= http.StatusBadRequest
	switch {
	case !described && ours(asked.Path, reply) && !failed:
		return fmt.Errorf("%s %s: the path is not described, and was answered %d", method, asked.Path, reply.Status)
	case !described:
		return nil
	}
	operation := found.item.GetOperation(method)
	if method == http.MethodHead && !found.admin {
		operation = found.item.Get
	}
	if operation == nil {
		if !failed {
			return fmt.Errorf("%s %s: the method is not described, and was answered %d", method, found.path, reply.Status)
		}
		return nil
	}
	answer := Answer{Method: method, Path: found.path, Status: reply.Status}
	if operation.Responses.Status(reply.Status) == nil {
		return fmt.Errorf("%s is not described: %.300s", answer, reply.Body)
	}
	if err := validate(ctx, d.spec, method, asked, found, operation, reply); err != nil {
		return fmt.Errorf("%s is not as described: %w\n%.1000s", answer, err, reply.Body)
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.seen[answer] = true
	return nil
}

// find returns the described path that a listener has.
func (d *Document) find(path string, admin bool) (template, bool) {
	for _, t := range d.templates {
		if t.admin == admin && t.matches.MatchString(path) {
			return t, true
		}
	}
	return template{}, false
}

// ours tells whether an answer to a path that is not described should be.
func ours(path string, reply Reply) bool {
	if reply.Header.Get("Server") == adminServer {
		return !strings.HasPrefix(path, "/debug/pprof/")
	}
	segments := strings.Split(path, "/")
	n := len(segments)
	return n > 4 && segments[1] == "v2" && (segments[n-3] == "_backref" || segments[n-2] == "referrers")
}

// validate leaves the answer to the library, but for what that passes over: that
// an answer without content has none.
func validate(ctx context.Context, spec *openapi3.T, method string, asked *url.URL, found template, operation *openapi3.Operation, reply Reply) error {
	if content := operation.Responses.Status(reply.Status).Value.Content; len(content) == 0 && len(reply.Body) > 0 {
		return errors.New("it has a body")
	}
	request := &http.Request{Method: method, URL: asked, Header: http.Header{}}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: request,
			Route:   &routers.Route{Spec: spec, Path: found.path, PathItem: found.item, Method: method, Operation: operation},
		},
		Status: reply.Status, Header: reply.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	return openapi3filter.ValidateResponse(ctx, input.SetBodyBytes(reply.Body))
}

// mediaTypeLines is that of texts of JSON, one a line.
const mediaTypeLines = "application/jsonl"

// mediaTypeAtom is that of feeds, which are described as text.
const mediaTypeAtom = "application/atom+xml"

// decodeText reads what is no JSON as a string.
func decodeText(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
	content, err := io.ReadAll(body)
	return string(content), err
}

// decodeLines reads lines as the array that describes them.
func decodeLines(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
	content, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	lines := []any{}
	for line := range bytes.Lines(content) {
		var value any
		if err := json.Unmarshal(line, &value); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(lines)+1, err)
		}
		lines = append(lines, value)
	}
	return lines, nil
}
