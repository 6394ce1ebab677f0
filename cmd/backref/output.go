package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// remembering is the output of the process. It remembers the first write that
// failed, so that printing needn't look after each.
type remembering struct {
	io.Writer
	mutex sync.Mutex
	err   error
}

func (w *remembering) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.err == nil {
		w.err = err
	}
	return n, err
}

func (w *remembering) failure() error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.err == nil {
		return nil
	}
	return fmt.Errorf("write the output: %w", w.err)
}

// output is how a command prints what it found.
type output struct {
	format string
	// template prints each entry, where there is one.
	template string
	quiet    bool
	whole    bool

	out   io.Writer
	sheet *sheet
	// each is the template as it was read.
	each *template.Template
}

// The formats of -o.
const (
	formatTable  = "table"
	formatWide   = "wide"
	formatJSON   = "json"
	formatYAML   = "yaml"
	formatDigest = "digest"
)

func addOutput(cmd *cobra.Command) *output {
	o := &output{}
	formats := []string{formatTable, formatWide, formatJSON, formatYAML, formatDigest}
	cmd.Flags().StringVarP(&o.format, "output", "o", formatTable, "`format`: "+strings.Join(formats, ", "))
	cmd.Flags().StringVar(&o.template, "format", "", "Go `template` for each entry, over the fields of -o json, such as '{{.digest}}'")
	cmd.Flags().BoolVarP(&o.quiet, flagQuiet, "q", false, "print digests only, as -o digest")
	cmd.Flags().BoolVar(&o.whole, "no-trunc", false, "show digests in full, and cut nothing to the width of the terminal")
	cmd.MarkFlagsMutuallyExclusive("output", "format", flagQuiet)
	completeValues(cmd, "output", formats...)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.known(formats); err != nil {
			return err
		}
		return o.open(cmd.OutOrStdout())
	}
	return o
}

// known refuses a format that is none of a command's.
func (o *output) known(formats []string) error {
	if slices.Contains(formats, o.format) {
		return nil
	}
	return usageError{fmt.Errorf("-o %q: need one of %s", o.format, strings.Join(formats, ", "))}
}

// open prepares the output for what the flags say.
func (o *output) open(out io.Writer) (err error) {
	o.out, o.sheet = out, newSheet(out, time.Now(), os.Environ())
	if o.quiet {
		o.format = formatDigest
	}
	o.sheet.wide = o.format == formatWide
	o.sheet.whole = o.whole || o.sheet.wide
	if o.whole {
		o.sheet.width = 0
	}
	if o.template != "" {
		o.each, err = parseTemplate(o.template)
	}
	return err
}

// print writes a value, its digests, or a text for people. A list is written
// entry by entry where there is a template.
func (o *output) print(value any, digests []string, people func(*sheet)) error {
	if o.each != nil {
		return printTemplate(o.out, o.each, value)
	}
	switch o.format {
	case formatJSON:
		encoder := json.NewEncoder(o.out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(value)
	case formatYAML:
		return printYAML(o.out, value)
	case formatDigest:
		for _, digest := range digests {
			_, _ = fmt.Fprintln(o.out, digest)
		}
		return nil
	default:
		people(o.sheet)
		return nil
	}
}

// printYAML writes a value with the names and in the order of its JSON.
func printYAML(w io.Writer, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(encoded, &node); err != nil {
		return err
	}
	blockStyle(&node)
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	if err := encoder.Encode(&node); err != nil {
		return err
	}
	return encoder.Close()
}

// blockStyle drops the braces and quotes of JSON where YAML needs none.
func blockStyle(node *yaml.Node) {
	if node.Kind != yaml.ScalarNode {
		node.Style = 0
	} else if node.Tag == "!!str" {
		var plain yaml.Node
		plain.SetString(node.Value)
		node.Style = plain.Style
	}
	for _, child := range node.Content {
		blockStyle(child)
	}
}

func printJSONLine(w io.Writer, value any) {
	_ = json.NewEncoder(w).Encode(value)
}

// sizeText writes a number of bytes.
func sizeText(bytes int64) string {
	const unit = 1000
	if bytes < unit {
		return fmt.Sprintf("%d B", bytes)
	}
	value, prefix := float64(bytes), -1
	for value >= unit && prefix < 4 {
		value, prefix = value/unit, prefix+1
	}
	return fmt.Sprintf("%.1f %cB", value, "kMGTP"[prefix])
}

// age writes how long ago something was made; nil is not known.
func (s *sheet) age(created *time.Time) string {
	if created == nil {
		return ageText(time.Time{}, s.now)
	}
	return ageText(*created, s.now)
}

// ageText writes how long ago something was made, as far as that is known.
func ageText(created, now time.Time) string {
	age := now.Sub(created)
	const day = 24 * time.Hour
	switch {
	case created.IsZero():
		return "-"
	case age < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(age.Seconds())))
	case age < time.Hour:
		return fmt.Sprintf("%dm", int(age.Minutes()))
	case age < 2*day:
		return fmt.Sprintf("%dh", int(age.Hours()))
	default:
		return fmt.Sprintf("%dd", int(age/day))
	}
}
