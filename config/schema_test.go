package config_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"

	"github.com/backref/backref/config"
)

// An editor that checks a file by the schema must say what the loader says.
func TestSchemaAgreesWithLoad(t *testing.T) {
	schema := resolveSchema(t)
	for file, valid := range map[string]bool{
		"":                                       true,
		"log: {level: warn}":                     true,
		"log: {level: loud}":                     false,
		"limits: {manifestSize: 1KB}":            true,
		"limits: {manifestSize: 4194304}":        true,
		"limits: {manifestSize: 4 apples}":       false,
		"limits: {tagEntries: 1}":                true,
		"limits: {tagEntries: 0}":                false,
		"limits: {tagEntries: [1]}":              false,
		"referrers: {recheckTag: 0}":             true,
		"referrers: {recheckTag: 1}":             false,
		"referrers: {recheckTag: 1m30s}":         true,
		"server: {idleTimeout: 0}":               false,
		"server: {idleTimeout: soon}":            false,
		"server: {trustedProxies: [10.0.0.0/8]}": true,
		"server: {trustedProxies: 10.0.0.0/8}":   false,
		"server: {tls: {certfile: x}}":           false,
		"serve: {}":                              false,
		"retention: {rules: [{name: a, repositories: [b], keep: {newest: 3}}]}": true,
		"retention: {rules: [{name: a, repositories: [b], newest: 3}]}":         false,
		"server:\n  # listen: :80\n":                                            true,
	} {
		_, err := config.Load(config.Sources{File: writeFile(t, file), Flags: minimal()})
		if (err == nil) != valid {
			t.Errorf("%s: loaded with %v, want valid %t", file, err, valid)
		}
		if err := validate(t, schema, []byte(file)); (err == nil) != valid {
			t.Errorf("%s: the schema says %v, want valid %t", file, err, valid)
		}
	}
}

func TestPrintedConfigurationFollowsSchema(t *testing.T) {
	cfg, err := config.Load(config.Sources{Flags: minimal()})
	if err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	if err := cfg.WriteYAML(&printed); err != nil {
		t.Fatal(err)
	}
	if err := validate(t, resolveSchema(t), printed.Bytes()); err != nil {
		t.Error(err)
	}
}

func resolveSchema(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

func validate(t *testing.T, schema *jsonschema.Resolved, file []byte) error {
	t.Helper()
	document := map[string]any{}
	if err := yaml.Unmarshal(file, &document); err != nil {
		t.Fatal(err)
	}
	return schema.Validate(document)
}
