package config

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"time"
)

// Schema returns the JSON schema (draft 2020-12) of the configuration file,
// indented.
func Schema() ([]byte, error) {
	root := object("Configuration of backref")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	sections := map[string]map[string]any{"": root}
	cfg := Default()
	walk(&cfg, func(s section) {
		sections[s.path] = object(s.doc)
		parent, key := cut(s.path)
		properties(sections[parent])[key] = sections[s.path]
	}, func(f field) {
		parent, key := cut(f.path)
		properties(sections[parent])[key] = f.schema()
	})
	schema, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return append(schema, '\n'), nil
}

// object describes a section, which may have its keys commented out.
func object(doc string) map[string]any {
	return map[string]any{
		"type": []string{"object", "null"}, "description": doc, "additionalProperties": false, "properties": map[string]any{},
	}
}

func properties(object map[string]any) map[string]any {
	p, _ := object["properties"].(map[string]any)
	return p
}

// cut splits a path into its section and its last part.
func cut(path string) (parent, key string) {
	dot := strings.LastIndexByte(path, '.')
	return path[:max(dot, 0)], path[dot+1:]
}

// schema describes one key.
func (f field) schema() map[string]any {
	s := map[string]any{"description": f.doc + " Environment variable " + f.env() + "."}
	if f.nested {
		s["description"] = f.doc
	}
	if f.hasEntries() {
		s["type"], s["items"], s["default"] = "array", f.entrySchema(), []any{}
		return s
	}
	whole, items := f.text()
	switch value := f.value.Interface().(type) {
	case int:
		s["type"], s["default"], s["minimum"] = "integer", value, 1
		if zeroAllowed(f.path) {
			s["minimum"] = 0
		}
	case bool:
		s["type"], s["default"] = "boolean", value
	case Size:
		s["type"], s["default"] = []string{"string", "integer"}, whole
		s["pattern"] = `^[0-9]+( *(B|KiB|MiB|GiB|KB|MB|GB))?$`
		s["minimum"], s["maximum"] = 1, int64(maxSize)
	case time.Duration:
		s["type"], s["default"] = "string", whole
		s["pattern"] = `^(0|([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+)$`
		if zeroAllowed(f.path) {
			// A bare 0 is a number in YAML.
			s["type"], s["maximum"] = []string{"string", "integer"}, 0
			s["minimum"] = 0
		}
	case *url.URL:
		s["type"], s["format"] = "string", "uri"
	case string:
		s["type"], s["default"] = "string", value
	default:
		s["type"], s["items"] = "array", map[string]any{"type": "string"}
		s["default"] = append([]string{}, items...)
	}
	if len(f.enum) > 0 && f.isList() {
		s["items"] = map[string]any{"type": "string", "enum": f.enum}
	} else if len(f.enum) > 0 {
		s["enum"] = f.enum
	}
	if f.secret {
		delete(s, "default")
		s["writeOnly"] = true
	}
	return s
}

// entrySchema describes one entry of a list, with the sections that it has.
func (f field) entrySchema() map[string]any {
	entry := object("One entry.")
	entry["type"], entry["required"] = "object", []string(nil)
	sections := map[string]map[string]any{f.path: entry}
	walkEntry(reflect.New(f.value.Type().Elem()).Elem(), f.path, func(s section) {
		sections[s.path] = object(s.doc)
		parent, name := cut(s.path)
		properties(sections[parent])[name] = sections[s.path]
	}, func(key field) {
		parent, name := cut(key.path)
		described := key.schema()
		delete(described, "default")
		properties(sections[parent])[name] = described
		if key.required {
			required, _ := sections[parent]["required"].([]string)
			sections[parent]["required"] = append(required, name)
		}
	})
	return entry
}
