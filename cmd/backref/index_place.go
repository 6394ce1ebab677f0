package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
)

// indexCommand is a command that works on an index: the flags that say on which.
type indexCommand struct {
	*settings
	// admin is the URL of the server that was named.
	admin string
	// timeout is how long a server may take that was named.
	timeout time.Duration
	// create says that a new file is wanted.
	create bool
	// upstream says that the registry is asked too.
	upstream bool
}

// The keys that the choice of an index looks at.
const (
	keyUpstreamURL = "upstream.url"
	keyIndexPath   = "index.path"
	keyTokenFile   = "admin.tokenFile"
)

// addIndex adds the flags of a command that works on an index, and on the
// registry too or not.
func addIndex(cmd *cobra.Command, environ []string, upstream bool) *indexCommand {
	names := []string{"index", "admin-listen"}
	if upstream {
		names = append(names, "upstream")
	}
	c := addServer(cmd, environ, upstream, names...)
	cmd.Flags().DurationVar(&c.timeout, flagTimeout, reachTimeout, "how long a server that --admin names may take to say that it is there")
	return c
}

// addServer adds the flags by which a command finds a server, and the shortcuts
// of these names.
func addServer(cmd *cobra.Command, environ []string, upstream bool, names ...string) *indexCommand {
	c := &indexCommand{settings: addSettings(cmd, environ, names...), upstream: upstream}
	cmd.Flags().StringVar(&c.admin, "admin", "", "`URL` of the admin listener of the server that is meant")
	c.addShortcut(shortcut{"admin-token-file", keyTokenFile, "`file` with the token of the admin listener"})
	return c
}

// addCreate adds the flag by which a command may make a new index.
func (c *indexCommand) addCreate() {
	c.flags.BoolVar(&c.create, "create", false, "make the file of the index where there is none")
}

// named returns the base URL of the server that was named; empty for none.
func (c *indexCommand) named() (string, error) {
	if !c.flags.Changed("admin") {
		return "", nil
	}
	base, err := adminURL(c.admin)
	if err == nil && (c.flags.Lookup("index") != nil && c.flags.Changed("index") || c.create) {
		return "", usageError{errors.New("--admin names a server, --index and --create a file: give one of them")}
	}
	return base, err
}

// adminURL reads the base URL of an admin listener that --admin gives.
func adminURL(text string) (string, error) {
	base, err := listenerURL("--admin", text, "--admin-token-file")
	switch {
	case err != nil:
		return "", err
	case base.RawQuery != "" || base.Fragment != "":
		return "", usageError{errors.New("--admin: need a URL without query and fragment")}
	default:
		return strings.TrimSuffix(base.String(), "/"), nil
	}
}

// listenerURL reads the URL of a listener that a flag gives. One that can't be
// used is not shown: it may hold a password. tokenFlag is the flag that gives a
// token instead; empty where none is sent.
func listenerURL(flag, text, tokenFlag string) (*url.URL, error) {
	base, err := url.Parse(text)
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		return nil, usageError{fmt.Errorf("%s: need a URL that begins with http:// or https://", flag)}
	case base.User == nil:
		return base, nil
	case tokenFlag == "":
		return nil, usageError{fmt.Errorf("%s: need a URL without a user", flag)}
	default:
		return nil, usageError{fmt.Errorf("%s: arguments can be read by others; give the token by %s", flag, tokenFlag)}
	}
}

// read reads the configuration, which may name no registry, and returns the
// server that was named, empty for none, and the keys that were set.
func (c *indexCommand) read() (cfg config.Config, admin string, set map[string]string, err error) {
	if admin, err = c.named(); err != nil {
		return cfg, "", nil, err
	}
	sources, err := c.sources()
	if err != nil {
		return cfg, "", nil, err
	}
	sources.Optional = []string{keyUpstreamURL}
	cfg, set, err = config.LoadSet(sources)
	return cfg, admin, set, err
}

// run runs work on the index that the flags and the configuration name.
func (c *indexCommand) run(cmd *cobra.Command, work func(context.Context, maintenance) error) error {
	cfg, admin, set, err := c.read()
	if err != nil {
		return err
	}
	var m maintenance
	if admin != "" {
		m, err = reachServer(cmd.Context(), cfg, admin, c.timeout)
	} else {
		_, named := set[keyIndexPath]
		m, err = c.find(cmd, cfg, named)
	}
	if err != nil {
		return err
	}
	return errors.Join(work(cmd.Context(), m), m.Close())
}

// find finds the index where no server was named. named says that the
// configuration names its file.
func (c *indexCommand) find(cmd *cobra.Command, cfg config.Config, named bool) (maintenance, error) {
	if cfg.Index.Postgres.URL != "" {
		return c.openHere(cmd, cfg)
	}
	_, err := os.Stat(cfg.Index.Path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && c.create, !missing && named:
		return c.openFile(cmd, cfg)
	case missing && named:
		return nil, fmt.Errorf("there is no index at %s; give its file by --index, or the server that has it by --admin%s", cfg.Index.Path, c.orCreate())
	}
	server, none := findServer(cmd.Context(), cfg)
	switch {
	case server == nil && missing:
		return nil, fmt.Errorf("no server answers at %s (%w), and there is no index at %s; name the server by --admin, or the file by --index%s",
			localAdmin(cfg), none, cfg.Index.Path, c.orCreate())
	case server == nil:
		return c.openFile(cmd, cfg)
	case missing:
		return server, nil
	default:
		return c.chooseHere(cmd, cfg, server)
	}
}

// orCreate says what a command that makes files can do beside.
func (c *indexCommand) orCreate() string {
	if c.flags.Lookup("create") == nil {
		return ""
	}
	return ", or make a new one by --create"
}

// openFile opens the file, or turns to the server that holds it.
func (c *indexCommand) openFile(cmd *cobra.Command, cfg config.Config) (maintenance, error) {
	m, err := c.openHere(cmd, cfg)
	if !errors.Is(err, index.ErrInUse) {
		return m, err
	}
	server, none := findServer(cmd.Context(), cfg)
	if server == nil {
		return nil, fmt.Errorf("%w: %s is held by a server, and none answers at %s (%w); give its address by --admin, or stop it",
			index.ErrInUse, cfg.Index.Path, localAdmin(cfg), none)
	}
	return server, nil
}

// chooseHere turns to the server that holds the file that lies here. Where a
// server answers and the file is another's, nobody can tell which is meant.
func (c *indexCommand) chooseHere(cmd *cobra.Command, cfg config.Config, server *adminClient) (maintenance, error) {
	m, err := c.openHere(cmd, cfg)
	if errors.Is(err, index.ErrInUse) {
		return server, nil
	}
	if err == nil {
		err = m.Close()
	}
	return nil, errors.Join(fmt.Errorf("a server answers at %s, and there is the file %s, which it does not hold; say which is meant by --admin %s or by --index %s",
		server.base, cfg.Index.Path, server.base, cfg.Index.Path), err, server.Close())
}

// openHere opens the index itself, unless work on it needs a registry that nobody
// has named. Of a file that is there this is said only when no server holds it,
// which would know the registry.
func (c *indexCommand) openHere(cmd *cobra.Command, cfg config.Config) (maintenance, error) {
	var unnamed error
	if c.upstream && cfg.Upstream.URL == nil {
		unnamed = fmt.Errorf("%s: is required; set it in the file, by BACKREF_UPSTREAM_URL, or by --upstream", keyUpstreamURL)
	}
	if _, err := os.Stat(cfg.Index.Path); unnamed != nil && (err != nil || cfg.Index.Postgres.URL != "") {
		return nil, unnamed
	}
	m, err := openOwn(cmd.Context(), cfg, cmd.ErrOrStderr())
	if err == nil && unnamed != nil {
		return nil, errors.Join(unnamed, m.Close())
	}
	return m, err
}
