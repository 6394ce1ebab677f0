package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

// DefaultIndexPath is the file of an index where none is named.
const DefaultIndexPath = "./backref.db"

// IndexPostgres configures an index in PostgreSQL.
type IndexPostgres struct {
	URL          string        `key:"url" doc:"The database, as libpq reads it: postgres://user@host/database?sslmode=verify-full. It has no password. Where it is set, no file is used. A pooler may be between that keeps a transaction to one session (PgBouncer with pool_mode session or transaction)."`
	Password     string        `key:"password" doc:"Password of the user." secret:"true"`
	PasswordFile string        `key:"passwordFile" doc:"File with the password, instead of password." file:"true"`
	Schema       string        `key:"schema" doc:"The schema with the tables of the index; it is made where there is none."`
	Connections  int           `key:"connections" doc:"The most connections to the database that a replica opens, 2 at least."`
	Timeout      time.Duration `key:"timeout" doc:"How long a statement may take, the wait for other replicas that write included; a request that needs longer gets 503."`
	Durability   string        `key:"durability" doc:"What a push has to survive once it is acknowledged: local is what the server itself is set to keep, standby also the loss of the primary. With standby a server whose synchronous_standby_names is empty is refused at start, and for every change later." enum:"local,standby"`
}

// ReadPassword returns the password, which is read from its file where one is
// named; empty where there is none.
func (p IndexPostgres) ReadPassword() (string, error) {
	if p.PasswordFile == "" {
		return p.Password, nil
	}
	content, err := os.ReadFile(p.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("index.postgres.passwordFile: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

// validateIndex checks where the index is kept.
func validateIndex(cfg Index, check func(path string, err error)) {
	database := cfg.Postgres
	switch {
	case cfg.Path == "":
		check("index.path", errors.New("must not be empty"))
	case database.URL != "" && cfg.Path != DefaultIndexPath:
		check("index.path", errors.New("must not be given beside index.postgres.url: the index is kept in one of them"))
	case database.URL == "" && (database.Password != "" || database.PasswordFile != ""):
		check("index.postgres.url", errors.New("is needed beside a password"))
	case database.Password != "" && database.PasswordFile != "":
		check("index.postgres.passwordFile", errors.New("must not be given beside password"))
	}
	check("index.postgres.url", checkDatabase(database.URL))
	if database.Schema == "" || len(database.Schema) > maxSchema || strings.ContainsRune(database.Schema, 0) {
		check("index.postgres.schema", fmt.Errorf("must have 1 to %d bytes", maxSchema))
	}
}

// maxSchema is the longest name that PostgreSQL does not cut.
const maxSchema = 63

// checkDatabase makes sure that a URL names no password: it would be printed
// with the configuration.
func checkDatabase(text string) error {
	secret := errors.New("must not have a password: use index.postgres.password or passwordFile")
	if !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		if regexp.MustCompile(`(?i)\bpassword\s*=`).MatchString(text) {
			return secret
		}
		if text != "" && !strings.Contains(text, "=") {
			return errors.New("need postgres://user@host/database, or libpq's key=value pairs")
		}
		return nil
	}
	parsed, err := url.Parse(text)
	if err != nil {
		// The error of package url shows the text.
		return errors.New("is not a URL such as postgres://user@host/database")
	}
	if _, given := parsed.User.Password(); given || parsed.Query().Has("password") {
		return secret
	}
	return nil
}
