package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backref/backref/reconcile"
)

func newIndexRebuild(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rebuild",
		Short: "Build the index anew from the registry",
		Long: "Read tags, manifests, what indexes and referrers tags list, and with --storage the\n" +
			"storage of CNCF Distribution, into a new index beside the one in use, and swap the\n" +
			"two when all is read. Records of manifests that no list names are kept if the\n" +
			"registry has the manifest. A rebuild that was stopped goes on where it was.",
		Example: "  backref index rebuild\n" +
			"  backref index rebuild --admin http://backref:5001 --admin-token-file token\n" +
			"  backref index rebuild --index backref.db --create --upstream http://localhost:5000 --storage /var/lib/registry",
		Args:        noArguments,
		Annotations: map[string]string{goesOn: "what was read is kept"},
	}
	on := addIndex(cmd, environ, true)
	on.addCreate()
	addQuiet(cmd)
	selection := addSelection(cmd)
	cmd.Flags().BoolVar(&selection.options.AllowPartial, "allow-partial", false, "use the result although something could not be read")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		options, err := selection.read()
		if err != nil {
			return err
		}
		return on.run(cmd, func(ctx context.Context, m maintenance) error {
			show := newDisplay(cmd)
			report, err := m.Rebuild(ctx, options, show.progress)
			show.end(reconcile.Line{Report: &report}, reportText(report))
			if errors.Is(err, reconcile.ErrIncomplete) && !report.Swapped {
				return fmt.Errorf("%w; the index in use is as it was; see the failures, or give --allow-partial", err)
			}
			return err
		})
	}
	return cmd
}

// selection are the flags that say what a rebuild or verification looks at.
type selection struct {
	options reconcile.Options
	from    string
}

func addSelection(cmd *cobra.Command) *selection {
	s := &selection{}
	cmd.Flags().StringArrayVar(&s.options.Repositories, "repository", nil, "only repositories that match the `glob`, * for a part without slashes, ** for any; repeatable")
	cmd.Flags().StringVar(&s.from, "repositories-from", "", "`file` with the names of the repositories, one a line, where the registry has no catalog")
	cmd.Flags().StringVar(&s.options.Storage, "storage", "", "`folder` of a CNCF Distribution file system storage, to find what no list names")
	return s
}

func (s *selection) read() (reconcile.Options, error) {
	if err := s.options.Check(); err != nil {
		return s.options, usageError{err}
	}
	if s.from == "" {
		return s.options, nil
	}
	if len(s.options.Repositories) > 0 {
		return s.options, usageError{errors.New("--repository and --repositories-from: give one of them")}
	}
	file, err := os.Open(s.from)
	if err != nil {
		return s.options, err
	}
	defer func() { _ = file.Close() }()
	options := s.options
	options.NoCatalog = true
	for lines := bufio.NewScanner(file); ; {
		if !lines.Scan() {
			return options, lines.Err()
		}
		if name := strings.TrimSpace(lines.Text()); name != "" && !strings.HasPrefix(name, "#") {
			options.Repositories = append(options.Repositories, name)
		}
	}
}

// reportText is a report for people.
func reportText(r reconcile.Report) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d repositories, %d manifests: %d new to the index, %d kept that no list names, %d dropped, %d failures, in %.1f s\n",
		r.Repositories, r.Found, r.Added, r.Kept, r.Dropped, r.Failed, r.Seconds)
	writeFailures(&text, r.Failures, r.Failed)
	if r.Dated+r.Undated > 0 {
		fmt.Fprintf(&text, "It was read of %d images when they were made, and could not be of %d.\n", r.Dated, r.Undated)
	}
	if r.Blind {
		text.WriteString("There was no index to begin with: manifests that no tag, index or referrers tag names, such as what was pushed\n" +
			"past backref by digest, are in no list of the registry and could not be found; --storage finds them.\n")
	}
	if r.Swapped {
		text.WriteString("The new index is in use.\n")
	} else {
		text.WriteString("The new index is NOT in use.\n")
	}
	return text.String()
}

func writeFailures(text *strings.Builder, failures []reconcile.Failure, total int) {
	for _, f := range failures {
		fmt.Fprintf(text, "  could not read %s %s: %s\n", f.Repository, f.Reference, f.Error)
	}
	if total > len(failures) {
		fmt.Fprintf(text, "  and %d more\n", total-len(failures))
	}
}
