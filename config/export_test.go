package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Reference returns the tables of docs/configuration.md: a heading for each
// section that has keys, and a row for each key.
func Reference() string {
	var order []section
	rows := map[string]string{}
	cfg := Default()
	walk(&cfg, func(s section) { order = append(order, s) }, func(f field) {
		parent, _ := cut(f.path)
		rows[parent] += fmt.Sprintf("| `%s`<br>`%s` | %s | %s | %s |\n", f.path, f.env(), f.defaultCell(), f.changeCell(), f.meaning())
		if f.hasEntries() {
			walkEntry(reflect.New(f.value.Type().Elem()).Elem(), f.path+"[]", nil, func(key field) {
				rows[parent] += fmt.Sprintf("| `%s` | %s | %s | %s |\n", key.path, key.defaultCell(), f.changeCell(), key.meaning())
			})
		}
	})
	var text strings.Builder
	for _, s := range order {
		if rows[s.path] != "" {
			fmt.Fprintf(&text, "\n### %s\n\n%s\n\n| key, variable | default | change | meaning |\n| --- | --- | --- | --- |\n%s", s.path, s.doc, rows[s.path])
		}
	}
	return text.String()
}

func (f field) defaultCell() string {
	whole, _ := f.text()
	switch {
	case f.required:
		return "required"
	case f.secret || whole == "":
		return "none"
	default:
		return "`" + whole + "`"
	}
}

// changeCell says what it takes for a change of the key to count.
func (f field) changeCell() string {
	if f.live {
		return "live"
	}
	return "restart"
}

func (f field) meaning() string {
	if len(f.enum) == 0 {
		return f.doc
	}
	return f.doc + " One of `" + strings.Join(f.enum, "`, `") + "`."
}
