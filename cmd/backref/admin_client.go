package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/proxy/admin"
	"github.com/backref/backref/reconcile"
)

// adminClient has the server that holds the index do the work.
type adminClient struct {
	base  string
	token string
	http  http.Client
}

// reachServer returns a client of the server at an admin listener, which has to
// answer.
func reachServer(ctx context.Context, cfg config.Config, base string, timeout time.Duration) (*adminClient, error) {
	client, err := newAdminClient(cfg, base)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if _, err := client.ask(ctx); err != nil {
		return nil, fmt.Errorf("no server answers at %s: %w", base, err)
	}
	return client, nil
}

// localAdmin is where the admin listener of a server with this configuration
// is, as seen from its own machine; empty where it has none.
func localAdmin(cfg config.Config) string {
	address := cfg.Admin.Listen
	if address == "" {
		return ""
	}
	address = localAddress(address)
	if cfg.Admin.TLS.CertFile != "" || cfg.Admin.Client.CAFile != "" {
		return "https://" + address
	}
	return "http://" + address
}

// localAddress is how an address to listen on is reached from its own machine.
func localAddress(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// errNoListener means that the configuration has no admin listener.
var errNoListener = errors.New("admin.listen is empty")

// findServer returns a client of the server that answers at the admin listener
// of this machine, or why there is none.
func findServer(ctx context.Context, cfg config.Config) (*adminClient, error) {
	base := localAdmin(cfg)
	if base == "" {
		return nil, errNoListener
	}
	client, err := newAdminClient(cfg, base)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	is, err := client.ask(ctx)
	if err == nil && !is {
		err = errors.New("what answers there is no backref")
	}
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}

const (
	// findTimeout bounds the look for a server that nobody has named.
	findTimeout = 5 * time.Second
	// reachTimeout is how long a server may take that was named.
	reachTimeout = 30 * time.Second
)

// newAdminClient returns a client of the admin listener at a base URL.
func newAdminClient(cfg config.Config, base string) (*adminClient, error) {
	client := &adminClient{base: base}
	if strings.HasPrefix(base, "https://") {
		speak, err := adminClientTLS(cfg.Admin)
		if err != nil {
			return nil, err
		}
		client.http.Transport = &http.Transport{TLSClientConfig: speak, ForceAttemptHTTP2: true}
	}
	var err error
	client.token, err = cfg.Admin.Token()
	return client, err
}

// ask asks the server whether it is there, and reports whether it says that it
// is a backref.
func (c *adminClient) ask(ctx context.Context) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/livez", nil)
	if err != nil {
		return false, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return false, err
	}
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("/livez is answered with %s", resp.Status)
	}
	return resp.Header.Get("Server") == admin.Server, errors.Join(err, resp.Body.Close())
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
		err := fmt.Errorf("the server at %s answers %s: %s", c.base, resp.Status, bytes.TrimSpace(text))
		if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
			err = fmt.Errorf("%w; give the token of its admin.tokenFile by --admin-token-file", err)
		}
		return nil, errors.Join(err, resp.Body.Close())
	}
	return resp.Body, nil
}

// work runs a request that is answered by lines, and returns the last.
func (c *adminClient) work(ctx context.Context, path string, options any, each func(reconcile.Line)) (reconcile.Line, error) {
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
		if line.Report == nil && line.Verification == nil && line.Retention == nil && !line.Done && line.Error == "" {
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

func (c *adminClient) Retain(ctx context.Context, options reconcile.RetainOptions, each func(reconcile.Retained)) (reconcile.RetentionReport, error) {
	last, err := c.work(ctx, "/admin/retain", options, func(line reconcile.Line) {
		if line.Retained != nil {
			each(*line.Retained)
		}
	})
	if last.Retention == nil {
		return reconcile.RetentionReport{}, err
	}
	return *last.Retention, err
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

func (c *adminClient) Import(ctx context.Context, r io.Reader) (answer reconcile.Imported, err error) {
	body, err := c.do(ctx, http.MethodPost, "/admin/import", r)
	if err != nil {
		return answer, err
	}
	return answer, errors.Join(json.NewDecoder(body).Decode(&answer), body.Close())
}

func (c *adminClient) Close() error {
	c.http.CloseIdleConnections()
	return nil
}
