package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
)

// addTagsList makes a command list the tags of a repository.
func addTagsList(cmd *cobra.Command) {
	var sort, between string
	access, out := addAccess(cmd, ""), addOutput(cmd)
	cmd.Flags().StringVar(&sort, "sort", "version", "`order`: [-]version or created; tags without come last")
	cmd.Flags().StringVar(&between, "between", "", "only from one tag to another, as `A..B`, both included")
	cmd.ValidArgsFunction = completeReferences(access, 1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		order, err := index.ParseOrder(sort)
		if err != nil || order.By != index.SortVersion && order.By != index.SortCreated {
			return usageError{fmt.Errorf("--sort %q: need version or created, with a - in front for descending", sort)}
		}
		repository, ref, err := access.repository(args[0])
		if err != nil {
			return err
		}
		if ref.Tag != "" || ref.Digest != "" {
			return usageError{fmt.Errorf("%s: need a repository, without tag and digest", ref)}
		}
		tags, err := repository.Tags(cmd.Context(), order)
		if err == nil && between != "" {
			tags, err = cutBetween(tags, between, order.By)
		}
		if err != nil {
			return err
		}
		return out.tags(tags)
	}
}

func cutBetween(tags []client.Tag, between string, by index.SortKey) ([]client.Tag, error) {
	from, to, found := strings.Cut(between, "..")
	if !found || from == "" || to == "" {
		return nil, usageError{fmt.Errorf("--between %q: %w", between, errors.New("need two tags, as v1.0..v1.4"))}
	}
	return client.Between(tags, from, to, by)
}

// tags prints a list of tags.
func (o *output) tags(tags []client.Tag) error {
	if tags == nil {
		tags = []client.Tag{}
	}
	digests := make([]string, len(tags))
	rows := [][]string{{"TAG", "VERSION", "CREATED", "DIGEST", "WHAT"}}
	for i, t := range tags {
		digests[i] = t.Digest.String()
		created := "-"
		if t.Created != nil {
			created = t.Created.UTC().Format(time.RFC3339)
		}
		rows = append(rows, []string{t.Tag, cmp.Or(t.Version, "-"), created, digests[i], client.Describe(t.Descriptor)})
	}
	return o.print(tags, digests, func(w io.Writer) { table(w, rows...) })
}
