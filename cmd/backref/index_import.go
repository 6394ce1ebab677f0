package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func newIndexImport(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import < FILE",
		Short: "Record what export printed",
		Long: "Record what export printed, from standard input, or with --from as another backref\n" +
			"exports it meanwhile: then what is deleted through this index while it takes place\n" +
			"is left out. Records that are there already stay as they are.",
		Example: "  backref index import --create --index backref.db <records.jsonl\n" +
			"  backref index import --config postgres.yaml --from http://127.0.0.1:5001",
		Args: noArguments,
	}
	on := addIndex(cmd, environ, false)
	on.addCreate()
	from := other{}
	cmd.Flags().StringVar(&from.url, "from", "", "`URL` of the admin listener of another backref")
	cmd.Flags().StringVar(&from.tokenFile, "from-token-file", "", "`file` with the token that this one wants")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		input := cmd.InOrStdin()
		if from.url != "" {
			export, err := from.open(cmd.Context())
			if err != nil {
				return err
			}
			defer func() { _ = export.Close() }()
			input = export
		}
		return on.run(cmd, func(ctx context.Context, m maintenance) error {
			imported, err := m.Import(ctx, input)
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%d records imported\n", imported.Records)
			if imported.Overtaken > 0 {
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%d left out that were deleted meanwhile\n", imported.Overtaken)
			}
			return err
		})
	}
	return cmd
}

// other is a backref whose index is read.
type other struct{ url, tokenFile string }

// open returns its export, which begins with the first read and not before:
// what an import does first has to come before all that the export says.
func (o other) open(ctx context.Context) (*export, error) {
	at, err := listenerURL("--from", o.url, "--from-token-file")
	if err != nil {
		return nil, err
	}
	client := &adminClient{base: at.Scheme + "://" + at.Host}
	if o.tokenFile != "" {
		token, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return nil, err
		}
		client.token = strings.TrimSpace(string(token))
	}
	return &export{read: func() (io.ReadCloser, error) {
		return client.do(ctx, http.MethodGet, "/admin/export", nil)
	}}, nil
}

// export is what another backref exports.
type export struct {
	read func() (io.ReadCloser, error)
	body io.ReadCloser
}

func (e *export) Read(b []byte) (int, error) {
	if e.body == nil {
		body, err := e.read()
		if err != nil {
			return 0, fmt.Errorf("export of the other backref: %w", err)
		}
		e.body = body
	}
	return e.body.Read(b)
}

func (e *export) Close() error {
	if e.body == nil {
		return nil
	}
	return e.body.Close()
}
