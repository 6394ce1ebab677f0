package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backref/backref/transfer"
)

// copyTags are the flags of a copy of many tags.
type copyTags struct {
	all, dryRun   bool
	tags, exclude []string
	// file has the names of many repositories; "-" is standard input.
	file string
}

func addCopyTags(cmd *cobra.Command) *copyTags {
	c := &copyTags{}
	flags := cmd.Flags()
	flags.BoolVar(&c.all, "all-tags", false, "all tags of SRC, each with its referrers")
	flags.StringArrayVar(&c.tags, "tags", nil, "the tags of SRC that match the `glob`, in which * is any text and ? any letter; repeatable")
	flags.StringArrayVar(&c.exclude, "exclude-tags", nil, "with --all-tags or --tags: not those that match the `glob`; repeatable")
	flags.BoolVar(&c.dryRun, "dry-run", false, "print what would be copied, and change nothing")
	flags.StringVar(&c.file, "from-file", "", "a `file` of names, one a line as SRC and DST, or SRC alone; - is standard input")
	return c
}

// repositories reports whether repositories are copied.
func (c *copyTags) repositories() bool {
	return c.all || len(c.tags) > 0
}

// many reports whether more than one manifest is named.
func (c *copyTags) many() bool {
	return c.repositories() || c.file != ""
}

// check looks for flags that don't go together.
func (c *copyTags) check(cmd *cobra.Command) error {
	for _, pattern := range append(append([]string{}, c.tags...), c.exclude...) {
		if pattern == "" || strings.Trim(pattern, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-*?") != "" {
			return usageError{fmt.Errorf("%q is not a pattern of tags", pattern)}
		}
	}
	switch {
	case len(c.exclude) > 0 && !c.repositories():
		return usageError{errors.New("--exclude-tags leaves some out of many: give --all-tags, or --tags GLOB")}
	case c.many() && cmd.Flags().Changed("platform"):
		return usageError{errors.New("--platform is for one image: the tags of a repository come whole")}
	default:
		return nil
	}
}

// jobs returns what is to be copied.
func (c *copyTags) jobs(input io.Reader, request transfer.Request, args []string) ([]transfer.TagsRequest, error) {
	if c.file == "" {
		job, err := c.job(request, args[0], args[1])
		if err == nil && c.repositories() && job.One {
			err = fmt.Errorf("%s: tags are chosen by --all-tags or --tags; leave the tag or digest out", args[0])
		}
		if err != nil {
			return nil, usageError{err}
		}
		return []transfer.TagsRequest{job}, nil
	}
	if c.file == "-" {
		return c.lines("standard input", input, request, args)
	}
	file, err := os.Open(c.file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return c.lines(c.file, file, request, args)
}

// lines reads a file of names, all of it before anything is copied.
func (c *copyTags) lines(name string, input io.Reader, request transfer.Request, bases []string) ([]transfer.TagsRequest, error) {
	var jobs []transfer.TagsRequest
	lines := bufio.NewScanner(input)
	number := 0
	for lines.Scan() {
		number++
		fields := strings.Fields(lines.Text())
		if i := slices.IndexFunc(fields, func(field string) bool { return field[0] == '#' }); i >= 0 {
			fields = fields[:i]
		}
		if len(fields) == 0 {
			continue
		}
		source, target, err := behindBases(fields, bases)
		var job transfer.TagsRequest
		if err == nil {
			job, err = c.job(request, source, target)
		}
		if err == nil && !job.One && !c.repositories() {
			err = fmt.Errorf("%s names no tag: give one, or --all-tags for all", source)
		}
		if err != nil {
			return nil, usageError{fmt.Errorf("%s, line %d: %w", name, number, err)}
		}
		jobs = append(jobs, job)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s, line %d: %w", name, number+1, err)
	}
	if len(jobs) == 0 {
		return nil, usageError{fmt.Errorf("%s names nothing to copy", name)}
	}
	return jobs, nil
}

// behindBases returns the two ends of a line, each behind its base where there
// are bases.
func behindBases(fields, bases []string) (source, target string, err error) {
	switch {
	case len(fields) > 2:
		return "", "", fmt.Errorf("need SRC and DST, or SRC alone, and got %d names", len(fields))
	case len(fields) == 1 && len(bases) == 0:
		return "", "", errors.New("need SRC and DST; SRC alone needs bases, as backref copy --from-file FILE localhost:8080 registry.example.com/mirror")
	}
	source, target = fields[0], fields[len(fields)-1]
	if len(bases) > 0 {
		source, target = strings.TrimSuffix(bases[0], "/")+"/"+source, strings.TrimSuffix(bases[1], "/")+"/"+target
	}
	return source, target, nil
}

// job reads what is to be copied from where to where.
func (c *copyTags) job(request transfer.Request, source, target string) (transfer.TagsRequest, error) {
	job := transfer.TagsRequest{Request: request, Choice: transfer.Choice{Tags: c.tags, Exclude: c.exclude}, DryRun: c.dryRun}
	if err := locate(&job.Request, source, target); err != nil {
		return job, err
	}
	job.One = job.Source.Tag != "" || job.Source.Digest != "" || c.file == "" && !c.repositories()
	if !job.One && (job.Target.Tag != "" || job.Target.Digest != "") {
		return job, fmt.Errorf("%s: need a place for all tags, without tag and digest", target)
	}
	return job, nil
}

// runJobs copies one after the other. One that fails stops no other.
func runJobs(ctx context.Context, show *tagsDisplay, jobs []transfer.TagsRequest) error {
	var failures []error
	failed := 0
	for _, job := range jobs {
		if ctx.Err() != nil {
			break
		}
		show.job(job)
		job.Follow = show
		result, err := transfer.CopyTags(ctx, job)
		show.result(result, err)
		failed += result.Tags[transfer.Failed]
		if err != nil && ctx.Err() == nil {
			failures = append(failures, err)
		}
	}
	show.total(len(jobs), len(failures))
	if err := ctx.Err(); err != nil {
		failures = append(failures, err)
	}
	if failed > 0 {
		failures = append(failures, fmt.Errorf("tags that failed: %d; run it again to go on with them", failed))
	}
	return errors.Join(failures...)
}
