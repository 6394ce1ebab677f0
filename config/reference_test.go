package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/backref/backref/config"
)

const (
	referencePath = "../docs/configuration.md"
	tablesBegin   = "<!-- Written by the tests of config. -->\n"
)

// The tables of the reference are made from the fields of Config, so that no
// key is missing there or described in other words.
func TestReference(t *testing.T) {
	page, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	words, _, found := strings.Cut(string(page), tablesBegin)
	if !found {
		t.Fatalf("%s has no line %q", referencePath, tablesBegin)
	}
	golden(t, referencePath, []byte(words+tablesBegin+config.Reference()))
}
