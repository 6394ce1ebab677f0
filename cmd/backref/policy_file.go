package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"go.yaml.in/yaml/v3"

	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
)

// caseReader reads the file of cases, and collects what is wrong with it, each with
// file, line and key.
type caseReader struct {
	file string
	book *ruleBook
	errs []error
}

// readPolicyCases reads a file of cases. Its error joins one line for each mistake.
func readPolicyCases(file string, text []byte, book *ruleBook) ([]policyCase, error) {
	r := &caseReader{file: file, book: book}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if document.Kind == 0 {
		return nil, fmt.Errorf("%s: has no cases", file)
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: holds more than one YAML document", file)
	}
	var cases []policyCase
	r.mapping(document.Content[0], "", map[string]func(*yaml.Node, string){
		"cases": func(node *yaml.Node, path string) {
			if node.Kind != yaml.SequenceNode || len(node.Content) == 0 {
				r.fail(node, path, "need a list of cases")
				return
			}
			for i, item := range node.Content {
				cases = append(cases, r.policyCase(item, fmt.Sprintf("%s[%d]", path, i)))
			}
		},
	})
	if len(cases) == 0 && len(r.errs) == 0 {
		return nil, fmt.Errorf("%s: has no cases", file)
	}
	return cases, errors.Join(r.errs...)
}

func (r *caseReader) fail(node *yaml.Node, path, reason string) {
	r.errs = append(r.errs, fmt.Errorf("%s:%d: %s: %s", r.file, node.Line, strings.TrimPrefix(path, "."), reason))
}

// mapping reads the keys of a mapping, each by what there is for it.
func (r *caseReader) mapping(node *yaml.Node, path string, fields map[string]func(*yaml.Node, string)) {
	if node.Kind != yaml.MappingNode {
		r.fail(node, path, "need keys and values")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		at := path + "." + key.Value
		read, known := fields[key.Value]
		switch {
		case !known:
			r.fail(key, at, "unknown key")
		case seen[key.Value]:
			r.fail(key, at, "given twice")
		default:
			read(value, at)
		}
		seen[key.Value] = true
	}
}

// text returns what reads a value that has to pass a check.
func (r *caseReader) text(into *string, check func(string) string) func(*yaml.Node, string) {
	return func(node *yaml.Node, path string) {
		if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
			r.fail(node, path, "need a plain value")
			return
		}
		*into = node.Value
		if reason := check(node.Value); reason != "" {
			r.fail(node, path, reason)
		}
	}
}

// policyCase reads one case.
func (r *caseReader) policyCase(node *yaml.Node, path string) policyCase {
	c := policyCase{line: node.Line}
	c.by.Listener = config.MainListener
	var manifest, artifactType, at string
	before := len(r.errs)
	r.mapping(node, path, map[string]func(*yaml.Node, string){
		"name":         r.text(&c.name, anyText),
		"action":       r.text(&c.do, oneOf(doings()...)),
		"repository":   r.text(&c.repository, is(oci.ValidRepository, "is not the name of a repository")),
		"tag":          r.text(&c.tag, is(oci.ValidTag, "is not a tag")),
		"digest":       r.text(&manifest, is(func(s string) bool { return oci.CheckDigest(digest.Digest(s)) == nil }, "is not a digest")),
		"artifactType": r.text(&artifactType, anyText),
		"client":       func(node *yaml.Node, path string) { r.client(node, path, &c) },
		"time":         r.text(&at, is(isTime, "is not a time such as 2027-01-31T00:00:00Z")),
		"expect":       r.text(&c.expect, oneOf(decisionAllow, decisionDeny)),
		"rule":         r.text(&c.rule, anyText),
	})
	c.digest, c.artifact = digest.Digest(manifest), artifactOf(artifactType)
	if at != "" {
		// It was found to be one.
		c.at, _ = time.Parse(time.RFC3339, at)
	}
	if len(r.errs) == before {
		if lacking := c.lacking(); lacking != "" {
			r.fail(node, path, lacking)
		}
	}
	return c
}

// client reads who asks.
func (r *caseReader) client(node *yaml.Node, path string, c *policyCase) {
	r.mapping(node, path, map[string]func(*yaml.Node, string){
		"user":      r.text(&c.by.User, anyText),
		"userAgent": r.text(&c.by.UserAgent, anyText),
		"listener":  r.text(&c.by.Listener, is(r.book.listens, "is no listener of the configuration")),
		"groups": func(node *yaml.Node, path string) {
			if node.Kind != yaml.SequenceNode {
				r.fail(node, path, "need a list")
				return
			}
			for i, item := range node.Content {
				var group string
				r.text(&group, anyText)(item, fmt.Sprintf("%s[%d]", path, i))
				c.by.Groups = append(c.by.Groups, group)
			}
		},
	})
}

// lacking says what a case needs and has not; empty for nothing.
func (c policyCase) lacking() string {
	switch {
	case c.do == "":
		return "needs an action"
	case c.repository == "":
		return "needs a repository"
	case c.expect == "":
		return "needs expect: allow or deny"
	case c.do == doMove && c.tag == "":
		return "needs the tag that is moved"
	case c.tag == "" && c.digest == "":
		return "needs a tag or a digest"
	case c.rule != "" && c.expect == decisionAllow:
		return "has a rule, but no rule decides that something is allowed"
	case len(c.by.Groups) > 0 && c.by.User == "":
		return "has groups, but no user who is in them"
	}
	return ""
}

func anyText(string) string { return "" }

func is(right func(string) bool, reason string) func(string) string {
	return func(text string) string {
		if right(text) {
			return ""
		}
		return fmt.Sprintf("%q %s", text, reason)
	}
}

func oneOf(values ...string) func(string) string {
	return is(func(text string) bool { return slices.Contains(values, text) }, "is none of "+strings.Join(values, ", "))
}

func isTime(text string) bool {
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}
