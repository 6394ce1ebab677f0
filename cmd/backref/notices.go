package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/backref/backref/notice"
)

func newNotices(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notices",
		Short: "See what is new, and what webhooks could not be given",
		Long: "See the new referrers that the server keeps (notices), and the messages that no webhook\n" +
			"could be given. The server answers: the one at --admin, or of this machine.",
		Args: noArguments,
	}
	cmd.AddCommand(newNoticesList(environ), newNoticesDead(environ), newNoticesRetry(environ), newNoticesTest(environ))
	return cmd
}

// addNoticesServer adds the flags that say which server is meant, and returns what
// finds it.
func addNoticesServer(cmd *cobra.Command, environ []string) func(ctx context.Context) (*adminClient, error) {
	on := addServer(cmd, environ, false, "admin-listen")
	return func(ctx context.Context) (*adminClient, error) {
		cfg, base, _, err := on.read()
		if err != nil {
			return nil, err
		}
		if base != "" {
			return reachServer(ctx, cfg, base, reachTimeout)
		}
		client, err := findServer(ctx, cfg)
		if err != nil {
			return nil, fmt.Errorf("no server answers at %s (%w); name the server by --admin", localAdmin(cfg), err)
		}
		return client, nil
	}
}

func newNoticesList(environ []string) *cobra.Command {
	var q struct{ repositories, types, annotations []string }
	cmd := &cobra.Command{
		Use: "list", Short: "List new referrers, the latest first",
		Long:    "List new referrers that are listed still, the latest first, at most 100.",
		Example: "  backref notices list --repository 'prod/**' --artifact-type 'application/vnd.example.scan*'",
		Args:    noArguments,
	}
	server, out := addNoticesServer(cmd, environ), addOutput(cmd)
	cmd.Flags().StringArrayVar(&q.repositories, "repository", nil, "only of repositories that match a `pattern`: * within a part of the name, ** for any")
	cmd.Flags().StringArrayVar(&q.types, "artifact-type", nil, "only of artifact types that match a `pattern`")
	cmd.Flags().StringArrayVar(&q.annotations, "annotation", nil, "only with an annotation: a `filter` as KEY or KEY=VALUE")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		values := url.Values{"repository": q.repositories, "artifactType": q.types, "annotation": q.annotations, "n": {"100"}}
		if _, err := notice.ParseFeedQuery(values, true); err != nil {
			return usageError{err}
		}
		entries, err := readLines[notice.Entry](cmd.Context(), server, "/admin/notices?"+values.Encode())
		if err != nil {
			return err
		}
		return out.notices(entries)
	}
	return cmd
}

func newNoticesDead(environ []string) *cobra.Command {
	cmd := &cobra.Command{Use: "dead", Short: "List messages that no webhook could be given", Args: noArguments}
	server, out := addNoticesServer(cmd, environ), addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		letters, err := readLines[notice.DeadLetter](cmd.Context(), server, "/admin/notices/dead")
		if err != nil {
			return err
		}
		return out.deadLetters(letters)
	}
	return cmd
}

func newNoticesRetry(environ []string) *cobra.Command {
	var all, drop bool
	cmd := &cobra.Command{
		Use: "retry [letter...]", Short: "Send dead letters again, or drop them",
		Long: "Send dead letters again, each once. What is delivered is no dead letter any more; what is\n" +
			"not stays one. backref notices dead lists them.",
		Example: "  backref notices retry --all",
	}
	server := addNoticesServer(cmd, environ)
	cmd.Flags().BoolVar(&all, "all", false, "all that there are")
	cmd.Flags().BoolVar(&drop, "drop", false, "drop them instead")
	cmd.RunE = func(cmd *cobra.Command, ids []string) error {
		if all == (len(ids) > 0) {
			return usageError{errors.New("name dead letters, or give --all")}
		}
		client, err := server(cmd.Context())
		if err != nil {
			return err
		}
		if all {
			letters, err := adminLines[notice.DeadLetter](cmd.Context(), client, "/admin/notices/dead")
			if err != nil {
				return errors.Join(err, client.Close())
			}
			for _, letter := range letters {
				ids = append(ids, letter.ID)
			}
		}
		var errs []error
		for _, id := range ids {
			method, path, done := http.MethodPost, "/admin/notices/dead/"+url.PathEscape(id)+"/retry", "delivered"
			if drop {
				method, path, done = http.MethodDelete, "/admin/notices/dead/"+url.PathEscape(id), "dropped"
			}
			if err := client.order(cmd.Context(), method, path); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", id, err))
				continue
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), id, done); err != nil {
				errs = append(errs, err)
				break
			}
		}
		return errors.Join(append(errs, client.Close())...)
	}
	return cmd
}

func newNoticesTest(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use: "test webhook", Short: "Send a test to a webhook",
		Long: "Send a message to a webhook that says nothing but that it is a test. A webhook that was\n" +
			"stopped because its receiver wants no more messages (410) goes on if that takes it.",
		Args: cobra.ExactArgs(1),
	}
	server := addNoticesServer(cmd, environ)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := server(cmd.Context())
		if err != nil {
			return err
		}
		err = client.order(cmd.Context(), http.MethodPost, "/admin/notices/test/"+url.PathEscape(args[0]))
		if err == nil {
			_, err = fmt.Fprintln(cmd.OutOrStdout(), args[0], "delivered")
		}
		return errors.Join(err, client.Close())
	}
	return cmd
}

// order sends a request whose answer says nothing more than that it was done.
func (c *adminClient) order(ctx context.Context, method, path string) error {
	body, err := c.do(ctx, method, path, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(body, 1000))
	return errors.Join(err, body.Close())
}

// readLines asks a server for JSON objects, one a line.
func readLines[T any](ctx context.Context, server func(context.Context) (*adminClient, error), path string) ([]T, error) {
	client, err := server(ctx)
	if err != nil {
		return nil, err
	}
	all, err := adminLines[T](ctx, client, path)
	return all, errors.Join(err, client.Close())
}

func adminLines[T any](ctx context.Context, client *adminClient, path string) ([]T, error) {
	body, err := client.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	all := []T{}
	for lines := json.NewDecoder(body); ; {
		var one T
		switch err := lines.Decode(&one); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("the server broke off: %w", err)
		}
		all = append(all, one)
	}
}

// notices prints new referrers.
func (o *output) notices(entries []notice.Entry) error {
	var digests []string
	for _, e := range entries {
		digests = append(digests, e.Digest.String(), e.Subject.String())
	}
	return o.print(entries, digests, func(s *sheet) {
		rows := make([][]string, len(entries))
		for i, e := range entries {
			rows[i] = []string{
				e.Time.UTC().Format(time.RFC3339), e.Repository, cmp.Or(e.ArtifactType, e.MediaType), s.digest(e.Digest), s.digest(e.Subject), e.Message,
			}
		}
		s.table([]column{{name: "TIME"}, {name: "REPOSITORY", cut: true}, {name: "TYPE", cut: true}, {name: "REFERRER"}, {name: "SUBJECT"}, {name: "MESSAGE", wide: true}}, rows)
	})
}

// deadLetters prints messages that no webhook could be given.
func (o *output) deadLetters(letters []notice.DeadLetter) error {
	var digests []string
	for _, l := range letters {
		digests = append(digests, l.Digest.String())
	}
	return o.print(letters, digests, func(s *sheet) {
		rows := make([][]string, len(letters))
		for i, l := range letters {
			rows[i] = []string{
				l.ID, l.Died.UTC().Format(time.RFC3339), l.Repository + "@" + s.digest(l.Digest), fmt.Sprint(l.Attempts), l.Reason,
				l.Time.UTC().Format(time.RFC3339), l.Message,
			}
		}
		s.table([]column{
			{name: "LETTER"}, {name: "DIED"}, {name: "WHAT", cut: true}, {name: "ATTEMPTS"}, {name: "REASON", cut: true}, {name: "TIME", wide: true}, {name: "MESSAGE", wide: true},
		}, rows)
	})
}
