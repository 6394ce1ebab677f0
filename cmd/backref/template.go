package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/template"
)

// parseTemplate reads the template of --format. It sees the fields of an entry by
// the names that they have in JSON; json writes a part of it as JSON, join puts
// texts together.
func parseTemplate(text string) (*template.Template, error) {
	parsed, err := template.New("--format").Funcs(template.FuncMap{
		"json": func(value any) (string, error) {
			encoded, err := json.Marshal(value)
			return string(encoded), err
		},
		"join": func(separator string, values []any) string {
			texts := make([]string, len(values))
			for i, value := range values {
				texts[i] = fmt.Sprint(value)
			}
			return strings.Join(texts, separator)
		},
	}).Parse(text)
	if err != nil {
		return nil, usageError{err}
	}
	return parsed, nil
}

// absent is what package text/template writes for a field that is not there.
const absent = "<no value>"

// printTemplate writes a line for a value, or for each entry where it is a list.
// A field that is not there is empty.
func printTemplate(out io.Writer, each *template.Template, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	// Numbers are written as they are in the JSON.
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	var decoded any
	if err := decoder.Decode(&decoded); err != nil {
		return err
	}
	entries, isList := decoded.([]any)
	if !isList {
		entries = []any{decoded}
	}
	for _, entry := range entries {
		var line strings.Builder
		if err := each.Execute(&line, entry); err != nil {
			return usageError{err}
		}
		_, _ = fmt.Fprintln(out, strings.ReplaceAll(line.String(), absent, ""))
	}
	return nil
}
