package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// hidden stands for a secret in what is printed.
const hidden = "[hidden]"

// readYAML sets what a YAML document says.
func (l *loader) readYAML(source string, content []byte) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var document, second yaml.Node
	err := decoder.Decode(&document)
	switch {
	case errors.Is(err, io.EOF):
		return
	case err != nil:
		l.unread = true
		l.errs = append(l.errs, fmt.Errorf("%s: %w", source, err))
		return
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		l.errs = append(l.errs, fmt.Errorf("%s: holds more than one YAML document", source))
		return
	}
	l.readMapping(source, "", document.Content[0])
}

// readMapping reads the keys of a section.
func (l *loader) readMapping(source, prefix string, node *yaml.Node) {
	at := func(n *yaml.Node) string { return fmt.Sprintf("%s:%d", source, n.Line) }
	if node.Kind != yaml.MappingNode {
		l.fail(at(node), strings.TrimSuffix(prefix, "."), errors.New("need keys and values"))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		path := prefix + key.Value
		if seen[path] {
			l.fail(at(key), path, errors.New("given twice"))
			continue
		}
		seen[path] = true
		if l.isSection(path) {
			if value.Tag == "!!null" {
				// A section whose keys are all commented out.
				continue
			}
			l.readMapping(source, path+".", value)
			continue
		}
		l.readValue(at(key), path, value)
	}
}

// isSection tells whether there are keys below path.
func (l *loader) isSection(path string) bool {
	for known := range l.fields {
		if strings.HasPrefix(known, path+".") {
			return true
		}
	}
	return false
}

func (l *loader) readValue(source, path string, value *yaml.Node) {
	f, known := l.fields[path]
	switch {
	case !known:
		l.fail(source, path, l.unknown(path))
	case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
		l.fail(source, path, errors.New("has no value; leave the key out for its default"))
	case value.Kind == yaml.ScalarNode && !f.isList():
		l.set(source, path, value.Value)
	case value.Kind == yaml.SequenceNode && f.hasEntries():
		l.readEntries(source, f, value)
	case value.Kind == yaml.SequenceNode && f.isList():
		items := make([]string, 0, len(value.Content))
		for _, item := range value.Content {
			if item.Kind != yaml.ScalarNode {
				l.fail(source, path, errors.New("need a list of plain values"))
				return
			}
			items = append(items, item.Value)
		}
		l.setItems(source, path, items)
	case f.isList():
		l.fail(source, path, errors.New("need a list"))
	default:
		l.fail(source, path, errors.New("need a plain value"))
	}
}

// readEntries reads a list of what has keys of its own. The list as a whole
// takes the place of what was there.
func (l *loader) readEntries(source string, list field, value *yaml.Node) {
	file := source[:strings.LastIndexByte(source, ':')]
	l.sources[list.path] = source
	entries := reflect.MakeSlice(list.value.Type(), len(value.Content), len(value.Content))
	for i, item := range value.Content {
		path := fmt.Sprintf("%s[%d]", list.path, i)
		entry := &loader{fields: map[string]field{}, sources: map[string]string{}, refused: map[string]bool{}}
		walkEntry(entries.Index(i), path, nil, func(f field) { entry.fields[f.path] = f })
		entry.readMapping(file, path+".", item)
		if len(entry.errs) > 0 {
			l.refused[list.path] = true
			l.errs = append(l.errs, entry.errs...)
		}
	}
	if len(value.Content) == 0 {
		entries = reflect.Zero(list.value.Type())
	}
	list.value.Set(entries)
}

// WriteYAML writes the configuration in the form that [Load] reads, secrets
// replaced by "[hidden]".
func (c Config) WriteYAML(w io.Writer) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	sections := map[string]*yaml.Node{"": root}
	add := func(path, doc string, value *yaml.Node) {
		parent, key := "", path
		if dot := strings.LastIndexByte(path, '.'); dot >= 0 {
			parent, key = path[:dot], path[dot+1:]
		}
		name := &yaml.Node{Kind: yaml.ScalarNode, Value: key, HeadComment: doc}
		sections[parent].Content = append(sections[parent].Content, name, value)
	}
	walk(&c, func(s section) {
		sections[s.path] = &yaml.Node{Kind: yaml.MappingNode}
		add(s.path, s.doc, sections[s.path])
	}, func(f field) {
		add(f.path, f.doc, f.node())
	})
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return encoder.Close()
}

// node returns the value as YAML.
func (f field) node() *yaml.Node {
	whole, items := f.text()
	if f.secret && whole != "" {
		return &yaml.Node{Kind: yaml.ScalarNode, Value: hidden}
	}
	if !f.isList() {
		node := &yaml.Node{}
		node.SetString(whole)
		switch f.value.Interface().(type) {
		case int:
			node.Tag = "!!int"
		case bool:
			node.Tag = "!!bool"
		}
		return node
	}
	if f.hasEntries() {
		return f.entryNodes()
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, item := range items {
		list.Content = append(list.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: item})
	}
	return list
}

// entryNodes returns a list of what has keys of its own, without those that
// are not set.
func (f field) entryNodes() *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range f.value.Len() {
		entry := &yaml.Node{Kind: yaml.MappingNode}
		sections := map[string]*yaml.Node{f.path: entry}
		walkEntry(f.value.Index(i), f.path, nil, func(key field) {
			if !key.value.IsZero() {
				parent, name := cut(key.path)
				section := sectionNode(sections, parent)
				section.Content = append(section.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, key.node())
			}
		})
		list.Content = append(list.Content, entry)
	}
	if len(list.Content) == 0 {
		list.Style = yaml.FlowStyle
	}
	return list
}

// sectionNode returns the section of an entry with that path, which is added where
// it has no key yet.
func sectionNode(sections map[string]*yaml.Node, path string) *yaml.Node {
	if known := sections[path]; known != nil {
		return known
	}
	parent, name := cut(path)
	section := &yaml.Node{Kind: yaml.MappingNode}
	above := sectionNode(sections, parent)
	above.Content = append(above.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, section)
	sections[path] = section
	return section
}
