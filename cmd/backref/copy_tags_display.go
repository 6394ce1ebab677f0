package main

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/schollz/progressbar/v3"

	"github.com/backref/backref/client"
	"github.com/backref/backref/transfer"
)

// tagsDisplay shows a copy of many tags: on a terminal a bar and a text, elsewhere
// lines of JSON.
type tagsDisplay struct {
	*display
	dryRun bool
	// list says that there may be several repositories.
	list bool

	mutex  sync.Mutex
	tags   *progressbar.ProgressBar
	bytes  int64
	source string
	target string
	sum    tagsResult
}

// tagsLine is a line of JSON about a copy of many tags.
type tagsLine struct {
	Repository *tagsBegin          `json:"repository,omitempty"`
	Tag        *transfer.TagResult `json:"tag,omitempty"`
	Result     *tagsResult         `json:"result,omitempty"`
	Total      *tagsTotal          `json:"total,omitempty"`
}

// tagsBegin says from where to where so many tags are copied.
type tagsBegin struct {
	Source string `json:"source"`
	Target string `json:"target"`
	Tags   int    `json:"tags"`
}

// tagsResult is what the copy of one repository came to.
type tagsResult struct {
	Source string `json:"source,omitempty"`
	Target string `json:"target,omitempty"`
	DryRun bool   `json:"dryRun,omitempty"`
	transfer.TagsResult
	Error string `json:"error,omitempty"`
}

// tagsTotal is what the copies of a list came to.
type tagsTotal struct {
	Repositories int `json:"repositories"`
	Failed       int `json:"failed"`
	tagsResult
}

func newTagsDisplay(display *display, tags *copyTags) *tagsDisplay {
	return &tagsDisplay{display: display, dryRun: tags.dryRun, list: tags.file != "", sum: tagsResult{DryRun: tags.dryRun, TagsResult: transfer.TagsResult{
		Tags: map[transfer.Outcome]int{}, Counts: transfer.NewCounts(),
	}}}
}

// job says what comes next.
func (d *tagsDisplay) job(job transfer.TagsRequest) {
	d.source, d.target = job.Source.String(), job.Target.String()
}

// Listed draws the bar.
func (d *tagsDisplay) Listed(tags int) {
	switch {
	case d.people && !d.quiet:
		_, _ = fmt.Fprintf(d.out, "%s to %s, tags: %d\n", d.source, d.target, tags)
	case d.people:
	case !d.quiet:
		printJSONLine(d.out, tagsLine{Repository: &tagsBegin{d.source, d.target, tags}})
		return
	default:
		return
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.tags = progressbar.NewOptions(tags, progressbar.OptionSetWriter(d.err), progressbar.OptionSetItsString("tags"), progressbar.OptionShowIts(),
		progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(barInterval))
}

// Moved tells how much has moved.
func (d *tagsDisplay) Moved(bytes int64) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.bytes += bytes
	if d.tags != nil {
		d.tags.Describe(sizeText(d.bytes))
	}
}

// Tag shows what came of a tag; to people not where there was nothing to do.
func (d *tagsDisplay) Tag(result transfer.TagResult) {
	told := !d.quiet || result.Outcome == transfer.Failed
	if !d.people {
		if told {
			printJSONLine(d.out, tagsLine{Tag: &result})
		}
		return
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if told && result.Outcome != transfer.Present && result.Outcome != transfer.Carried {
		_ = d.tags.Clear()
		d.line(result)
	}
	_ = d.tags.Add(1)
}

func (d *tagsDisplay) line(result transfer.TagResult) {
	name, outcome := result.Tag, string(result.Outcome)
	if name == "" {
		name = "@" + result.Digest.String()
	}
	if d.dryRun && result.Outcome == transfer.Copied {
		outcome = "would be copied"
	}
	text := fmt.Sprintf("%s: %s", client.Printable(name), outcome)
	switch result.Outcome {
	case transfer.Failed:
		text += ": " + client.Printable(result.Error)
	case transfer.Copied:
		text += fmt.Sprintf(", %d manifests, %d of them referrers", result.Manifests, result.Referrers)
	default:
	}
	_, _ = fmt.Fprintln(d.out, text)
}

// result shows what the copy of a repository came to.
func (d *tagsDisplay) result(result transfer.TagsResult, err error) {
	line := tagsResult{Source: d.source, Target: d.target, DryRun: d.dryRun, TagsResult: result}
	if err != nil {
		line.Error = err.Error()
	}
	d.add(result)
	if !d.people {
		printJSONLine(d.out, tagsLine{Result: &line})
		return
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.tags != nil {
		_ = d.tags.Finish()
		d.tags, d.bytes = nil, 0
	}
	if result.Tags != nil {
		_, _ = io.WriteString(d.out, line.text())
	}
}

// add adds to the total.
func (d *tagsDisplay) add(result transfer.TagsResult) {
	transfer.AddOutcomes(d.sum.Tags, result.Tags)
	d.sum.Add(result.Counts)
}

// total shows what the copies of a list came to.
func (d *tagsDisplay) total(repositories, failed int) {
	switch {
	case !d.list:
	case d.people:
		_, _ = fmt.Fprintf(d.out, "%d lines, %d of them failed\n%s", repositories, failed, d.sum.text())
	default:
		printJSONLine(d.out, tagsLine{Total: &tagsTotal{repositories, failed, d.sum}})
	}
}

// text writes a result for people.
func (r tagsResult) text() string {
	copied, moved := "copied", "moved"
	if r.DryRun {
		copied, moved = "to copy", "to move"
	}
	tags := []string{fmt.Sprintf("%d %s", r.Tags[transfer.Copied], copied), fmt.Sprintf("%d there already", r.Tags[transfer.Present])}
	for _, other := range []struct {
		outcome transfer.Outcome
		text    string
	}{
		{transfer.Carried, "that only list referrers"}, {transfer.Left, "left out"}, {transfer.Gone, "gone meanwhile"},
		{transfer.Failed, "failed"}, {transfer.Pending, "not reached"},
	} {
		if n := r.Tags[other.outcome]; n > 0 {
			tags = append(tags, fmt.Sprintf("%d %s", n, other.text))
		}
	}
	return fmt.Sprintf("tags: %s\n%d manifests %s, %d there already, %d of them referrers; %d blobs %s, %d mounted, %d there already; %s %s\n",
		strings.Join(tags, ", "), r.Manifests[transfer.Copied], copied, r.Manifests[transfer.Present], r.Referrers,
		r.Blobs[transfer.Copied], copied, r.Blobs[transfer.Mounted], r.Blobs[transfer.Present], sizeText(r.Bytes), moved)
}
