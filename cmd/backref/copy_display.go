package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/backref/backref/transfer"
)

// copyDisplay shows a copy: a bar on a terminal, elsewhere lines of JSON.
type copyDisplay struct {
	*display
	mutex sync.Mutex
	bytes *progressbar.ProgressBar
}

// barInterval is how often the bar is drawn.
const barInterval = 100 * time.Millisecond

// copyLine is a line of JSON about a copy.
type copyLine struct {
	Planned *transfer.Totals `json:"planned,omitempty"`
	Event   *transfer.Event  `json:"event,omitempty"`
	Result  *transfer.Result `json:"result,omitempty"`
}

// addCopyOutput adds the flag that says who reads the output of a copy.
func addCopyOutput(cmd *cobra.Command) *copyFormat {
	format := new(copyFormat)
	cmd.Flags().VarP(format, "output", "o", "`format`: text or json, in lines (default: text on a terminal)")
	completeValues(cmd, "output", formatText, formatJSON)
	return format
}

// formatText is the other format of a copy than JSON.
const formatText = "text"

// copyFormat is the value of -o; empty where it was not given.
type copyFormat string

func (f *copyFormat) String() string { return string(*f) }

// Type is what pflag calls a value like this.
func (f *copyFormat) Type() string { return "format" }

// Set takes one of the formats.
func (f *copyFormat) Set(text string) error {
	if text != formatText && text != formatJSON {
		return fmt.Errorf("need one of %s, %s", formatText, formatJSON)
	}
	*f = copyFormat(text)
	return nil
}

func newCopyDisplay(cmd *cobra.Command, format copyFormat) *copyDisplay {
	d := newDisplay(cmd)
	if format != "" {
		d.people = format == formatText
	}
	return &copyDisplay{display: d}
}

// Planned draws the bar.
func (d *copyDisplay) Planned(totals transfer.Totals) {
	if !d.people {
		d.print(copyLine{Planned: &totals})
		return
	}
	d.bytes = progressbar.NewOptions64(totals.Bytes, progressbar.OptionSetWriter(d.err), progressbar.OptionShowBytes(true),
		progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(barInterval), progressbar.OptionSetDescription(fmt.Sprintf("%d manifests, %d blobs", totals.Manifests, totals.Blobs)))
}

// Moved moves the bar on.
func (d *copyDisplay) Moved(bytes int64) {
	if d.bytes != nil {
		_ = d.bytes.Add64(bytes)
	}
}

// Finished shows what is in the target.
func (d *copyDisplay) Finished(event transfer.Event) {
	if !d.people {
		d.print(copyLine{Event: &event})
		return
	}
	if event.What == "blob" && event.Outcome != transfer.Copied {
		// The bar counts what needn't move as moved.
		_ = d.bytes.Add64(event.Size)
	}
}

// end shows the result of a copy that went well.
func (d *copyDisplay) end(result transfer.Result, err error) {
	if d.bytes != nil {
		_ = d.bytes.Finish()
	}
	switch {
	case err != nil:
	case d.people:
		_, _ = fmt.Fprintf(d.out, "%s\n%d manifests copied, %d there already, %d of them referrers; %d blobs copied, %d mounted, %d there already; %s moved\n",
			result.Digest, result.Manifests[transfer.Copied], result.Manifests[transfer.Present], result.Referrers,
			result.Blobs[transfer.Copied], result.Blobs[transfer.Mounted], result.Blobs[transfer.Present], sizeText(result.Bytes))
	default:
		d.print(copyLine{Result: &result})
	}
}

// print prints a line, if it is to be quiet only the result.
func (d *copyDisplay) print(line copyLine) {
	if d.quiet && line.Result == nil {
		return
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	printJSONLine(d.out, line)
}
