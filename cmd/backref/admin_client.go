package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/reconcile"
)

// adminClient has the server that holds the index do the work.
type adminClient struct {
	base  string
	token string
	http  http.Client
}

// newAdminClient finds the server by its admin listener.
func newAdminClient(cfg config.Config) (*adminClient, error) {
	inUse := func(reason string) error {
		return fmt.Errorf("%w: %s is held by a server, and %s", index.ErrInUse, cfg.Index.Path, reason)
	}
	if cfg.Admin.Listen == "" {
		return nil, inUse("admin.listen is empty; give its address by --admin-listen, or stop it")
	}
	client, address := &adminClient{base: "http://"}, cfg.Admin.Listen
	if strings.HasPrefix(address, ":") {
		address = "127.0.0.1" + address
	}
	speak, err := adminClientTLS(cfg.Admin)
	if err != nil {
		return nil, err
	}
	if speak != nil {
		client.base = "https://"
		client.http.Transport = &http.Transport{TLSClientConfig: speak, ForceAttemptHTTP2: true}
	}
	client.base += address
	token, err := cfg.Admin.Token()
	if err != nil {
		return nil, err
	}
	client.token = token
	body, err := client.do(context.Background(), http.MethodGet, "/livez", nil)
	if err != nil {
		return nil, inUse(fmt.Sprintf("none answers at %s (%v); give its address by --admin-listen, or stop it", cfg.Admin.Listen, err))
	}
	return client, body.Close()
}

// do sends a request and returns the body of a successful answer.
func (c *adminClient) do(ctx context.Context, method, path string, body io.Reader) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return nil, errors.Join(fmt.Errorf("the server answers %s: %s", resp.Status, bytes.TrimSpace(text)), resp.Body.Close())
	}
	return resp.Body, nil
}

// work runs a request that is answered by lines, and returns the last.
func (c *adminClient) work(ctx context.Context, path string, options reconcile.Options, each func(reconcile.Line)) (reconcile.Line, error) {
	request, err := json.Marshal(options)
	if err != nil {
		return reconcile.Line{}, err
	}
	body, err := c.do(ctx, http.MethodPost, path, bytes.NewReader(request))
	if err != nil {
		return reconcile.Line{}, err
	}
	defer func() { _ = body.Close() }()
	for lines := json.NewDecoder(body); ; {
		var line reconcile.Line
		if err := lines.Decode(&line); err != nil {
			return line, fmt.Errorf("the server broke off: %w", err)
		}
		if line.Report == nil && line.Verification == nil && !line.Done && line.Error == "" {
			each(line)
			continue
		}
		return line, lineError(line)
	}
}

func lineError(line reconcile.Line) error {
	switch {
	case line.Error == "":
		return nil
	case line.Incomplete:
		return fmt.Errorf("%w%s", reconcile.ErrIncomplete, strings.TrimPrefix(line.Error, reconcile.ErrIncomplete.Error()))
	default:
		return errors.New(line.Error)
	}
}

func (c *adminClient) Rebuild(ctx context.Context, options reconcile.Options, progress func(reconcile.Progress)) (reconcile.Report, error) {
	last, err := c.work(ctx, "/admin/rebuild", options, func(line reconcile.Line) {
		if line.Progress != nil {
			progress(*line.Progress)
		}
	})
	if last.Report == nil {
		return reconcile.Report{}, err
	}
	return *last.Report, err
}

func (c *adminClient) Verify(ctx context.Context, options reconcile.Options, differs func(reconcile.Difference)) (reconcile.Verification, error) {
	last, err := c.work(ctx, "/admin/verify", options, func(line reconcile.Line) {
		if line.Difference != nil {
			differs(*line.Difference)
		}
	})
	if last.Verification == nil {
		return reconcile.Verification{}, err
	}
	return *last.Verification, err
}

func (c *adminClient) Prune(ctx context.Context, options reconcile.Options, dryRun bool, each func(reconcile.Pruned)) error {
	_, err := c.work(ctx, fmt.Sprintf("/admin/prune?dryRun=%t", dryRun), options, func(line reconcile.Line) {
		if line.Pruned != nil {
			each(*line.Pruned)
		}
	})
	return err
}

func (c *adminClient) Hold(ctx context.Context, options reconcile.Options, dryRun bool, each func(reconcile.Held)) error {
	_, err := c.work(ctx, fmt.Sprintf("/admin/hold?dryRun=%t", dryRun), options, func(line reconcile.Line) {
		if line.Held != nil {
			each(*line.Held)
		}
	})
	return err
}

func (c *adminClient) Stats(ctx context.Context) (stats index.Stats, err error) {
	body, err := c.do(ctx, http.MethodGet, "/admin/stats", nil)
	if err != nil {
		return stats, err
	}
	return stats, errors.Join(json.NewDecoder(body).Decode(&stats), body.Close())
}

func (c *adminClient) Export(ctx context.Context, w io.Writer) error {
	return c.copy(ctx, "/admin/export", w)
}

func (c *adminClient) Intents(ctx context.Context, w io.Writer) error {
	return c.copy(ctx, "/admin/intents", w)
}

func (c *adminClient) Backup(ctx context.Context, w io.Writer) error {
	return c.copy(ctx, "/admin/backup", w)
}

func (c *adminClient) copy(ctx context.Context, path string, w io.Writer) error {
	body, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, body)
	return errors.Join(err, body.Close())
}

func (c *adminClient) Import(ctx context.Context, r io.Reader) (int, error) {
	body, err := c.do(ctx, http.MethodPost, "/admin/import", r)
	if err != nil {
		return 0, err
	}
	var answer struct{ Imported int }
	return answer.Imported, errors.Join(json.NewDecoder(body).Decode(&answer), body.Close())
}

func (c *adminClient) Close() error {
	c.http.CloseIdleConnections()
	return nil
}
