package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
)

// addTagsList makes a command list the tags of a repository.
func addTagsList(cmd *cobra.Command) {
	var sort, between string
	var limit int
	access, out := addAccess(cmd, ""), addOutput(cmd)
	cmd.Flags().StringVar(&sort, "sort", "version", "`order`: [-]version or created; tags without come last")
	cmd.Flags().StringVar(&between, "between", "", "only from one tag to another, as `A..B`, both included")
	cmd.Flags().IntVar(&limit, "limit", 0, "at most `n`, the first of the order")
	completeValues(cmd, "sort", "version", "-version", "created", "-created")
	cmd.ValidArgsFunction = completeReferences(access, 1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		order, err := index.ParseOrder(sort)
		if err != nil || order.By != index.SortVersion && order.By != index.SortCreated {
			return usageError{fmt.Errorf("--sort %q: need version or created, with a - in front for descending", sort)}
		}
		if limit < 0 {
			return usageError{fmt.Errorf("--limit %d: need 1 or more", limit)}
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
		if limit > 0 {
			tags = tags[:min(limit, len(tags))]
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
	for i, t := range tags {
		digests[i] = t.Digest.String()
	}
	return o.print(tags, digests, func(s *sheet) {
		rows := make([][]string, len(tags))
		for i, t := range tags {
			created := "-"
			if t.Created != nil {
				created = t.Created.UTC().Format(time.RFC3339)
			}
			rows[i] = []string{t.Tag, cmp.Or(t.Version, "-"), created, s.age(t.Created), s.digest(t.Digest), client.Describe(t.Descriptor)}
		}
		s.table([]column{{name: "TAG", cut: true}, {name: "VERSION", cut: true}, {name: "CREATED"}, {name: "AGE"}, {name: "DIGEST"}, {name: "WHAT", cut: true}}, rows)
	})
}
