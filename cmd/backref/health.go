package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backref/backref/config"
)

func newHealth(environ []string) *cobra.Command {
	var registry string
	var timeout time.Duration
	var live bool
	var exclude []string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a server whether it is ready, or lives",
		Long: "Ask a server for /readyz by its admin listener, which the configuration or --admin\n" +
			"names, or with --live for /livez, and with --registry also whether it passes a\n" +
			"registry client on to the registry: /v2/ has to answer 200 or 401. Nothing is sent\n" +
			"that proves who asks. The exit code is 1 where the server is not ready, or does not\n" +
			"answer: for probes of containers without a shell.",
		Example: "  backref health --config /etc/backref/backref.yaml\n" +
			"  backref health --live\n" +
			"  backref health --exclude index\n" +
			"  backref health --registry http://localhost:8080",
		Args: noArguments,
	}
	server := addServer(cmd, environ, false, "admin-listen")
	cmd.Flags().StringVar(&registry, "registry", "", "also ask at this `URL` as a registry client would")
	cmd.Flags().BoolVar(&live, "live", false, "ask whether the process serves at all, as a liveness probe")
	cmd.Flags().StringArrayVar(&exclude, "exclude", nil, "a `part` that readiness is not to be about: index or upstream; repeatable")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "how long all of it may take")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path, said := "/readyz", "ready"
		switch {
		case live && len(exclude) > 0:
			return usageError{errors.New("--live and --exclude: give one of them")}
		case live:
			path, said = "/livez", "alive"
		case len(exclude) > 0:
			path += "?" + url.Values{"exclude": exclude}.Encode()
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		cfg, err := server.checkHealth(ctx, path)
		if err != nil {
			return err
		}
		if registry != "" {
			if err := checkRegistry(ctx, cfg.Server.TLS, registry); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
		return err
	}
	return cmd
}

// checkHealth asks the admin listener for a path, and returns the configuration by
// which it was found.
func (c *indexCommand) checkHealth(ctx context.Context, path string) (config.Config, error) {
	cfg, base, _, err := c.read()
	if err != nil {
		return config.Config{}, err
	}
	if base == "" {
		base = localAdmin(cfg)
	}
	if base == "" {
		return config.Config{}, fmt.Errorf("%w; name the server by --admin", errNoListener)
	}
	anybody := cfg
	anybody.Admin.TokenFile = ""
	client, err := newAdminClient(anybody, base)
	if err != nil {
		return config.Config{}, err
	}
	body, err := client.do(ctx, http.MethodGet, path, nil)
	if err == nil {
		err = body.Close()
	}
	return cfg, errors.Join(err, client.Close())
}

// checkRegistry asks the listener for registry clients at a URL.
func checkRegistry(ctx context.Context, secure config.ServerTLS, base string) error {
	parsed, err := listenerURL("--registry", base, "")
	if err != nil {
		return err
	}
	base = parsed.Scheme + "://" + parsed.Host
	speak, err := ownCertificate(secure)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: speak, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v2/", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
	if err := resp.Body.Close(); err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusUnauthorized:
		return nil
	default:
		return fmt.Errorf("%s/v2/ answers %s: %s", base, resp.Status, strings.TrimSpace(string(text)))
	}
}

// ownCertificate returns what a listener is spoken to by that serves the
// certificate of a configuration, whatever name or address it is reached by;
// nil where none is configured.
func ownCertificate(secure config.ServerTLS) (*tls.Config, error) {
	if secure.CertFile == "" {
		return nil, nil
	}
	content, err := os.ReadFile(secure.CertFile)
	if err != nil {
		return nil, fmt.Errorf("server.tls.certFile: %w", err)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, errors.New("server.tls.certFile: the file holds no certificate in PEM")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("server.tls.certFile: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(content)
	speak := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	switch {
	case len(leaf.DNSNames) > 0:
		speak.ServerName = strings.Replace(leaf.DNSNames[0], "*", "any", 1)
	case len(leaf.IPAddresses) > 0:
		speak.ServerName = leaf.IPAddresses[0].String()
	}
	return speak, nil
}
