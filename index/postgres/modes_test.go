package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/indextest"
	"github.com/backref/backref/index/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"
)

// TestStoreInEveryMode tests that a store is one however its values go to the
// database and back.
func TestStoreInEveryMode(t *testing.T) {
	for _, mode := range []string{"cache_describe", "describe_exec", "exec", "simple_protocol", "exec&bytea_output=escape"} {
		t.Run(mode, func(t *testing.T) {
			options := newOptions()
			options.URL += "&default_query_exec_mode=" + mode
			store := mustOpen(t, options)
			defer func() { must(t, store.Close()) }()
			for i := range 3 {
				must(t, push(t.Context(), store, numbered(i)))
			}
			for _, query := range []index.Query{{}, {Order: index.Order{By: index.SortCreated}}, {Order: index.Order{By: index.SortVersion}}} {
				page, err := store.Referrers(t.Context(), repo, digest.FromString("subject"), query)
				must(t, err)
				if len(page.Referrers) != 3 {
					t.Errorf("listed %v", page.Referrers)
				}
			}
		})
		if mode != "exec" && mode != "simple_protocol" {
			continue
		}
		// These have the values as text.
		t.Run("stories in "+mode, func(t *testing.T) {
			setChecks(t, "1")
			indextest.RunStories(t, func(t *testing.T) index.Store {
				options := newOptions()
				options.URL += "&default_query_exec_mode=" + mode
				return mustOpen(t, options)
			})
		})
	}
}

func TestWhatIsNoModeIsNamed(t *testing.T) {
	for _, mode := range []string{"default_query_exec_mode=text", "statement_cache_capacity=0"} {
		_, err := postgres.Open(t.Context(), postgres.Options{URL: newOptions().URL + "&" + mode})
		key, _, _ := strings.Cut(mode, "=")
		if err == nil || errors.Is(err, index.ErrDamaged) || !strings.Contains(strings.ReplaceAll(err.Error(), " ", "_"), strings.TrimSuffix(key, "_capacity")) {
			t.Errorf("%s: got error %v", mode, err)
		}
	}
}

// What is not there for a session that lost its settings is no damage; what is
// gone is.
func TestOnlyWhatIsGoneIsDamage(t *testing.T) {
	options := newOptions()
	options.Connections = 2
	store := mustOpen(t, options)
	defer func() { must(t, store.Close()) }()
	must(t, push(t.Context(), store, numbered(1)))
	conn := connected(t, options.URL)
	schema := pgx.Identifier{options.Schema}.Sanitize()
	moved := pgx.Identifier{options.Schema + " moved"}.Sanitize()
	for _, c := range []struct {
		name, before, after string
		damaged             bool
	}{
		{"a table", `ALTER TABLE ` + schema + `.manifests RENAME TO elsewhere`, `ALTER TABLE ` + schema + `.elsewhere RENAME TO manifests`, true},
		{"a column", `ALTER TABLE ` + schema + `.manifests RENAME shown TO hidden`, `ALTER TABLE ` + schema + `.manifests RENAME hidden TO shown`, true},
		{"the schema", `ALTER SCHEMA ` + schema + ` RENAME TO ` + moved, `ALTER SCHEMA ` + moved + ` RENAME TO ` + schema, true},
	} {
		_, err := conn.Exec(t.Context(), c.before)
		must(t, err)
		if err := get(t.Context(), store, numbered(1)); errors.Is(err, index.ErrDamaged) != c.damaged {
			t.Errorf("%s is gone: got error %v", c.name, err)
		}
		_, err = conn.Exec(t.Context(), c.after)
		must(t, err)
		must(t, get(t.Context(), store, numbered(1)))
	}
	must(t, postgres.LoseSettings(t.Context(), store))
	if err := get(t.Context(), store, numbered(1)); err == nil || errors.Is(err, index.ErrDamaged) || !strings.Contains(err.Error(), "pooler") {
		t.Errorf("the settings are lost: got error %v", err)
	}
	// From then on nothing rests on them.
	must(t, push(t.Context(), store, numbered(2)))
	must(t, postgres.LoseSettings(t.Context(), store))
	must(t, errors.Join(push(t.Context(), store, numbered(3)), get(t.Context(), store, numbered(2))))
}
