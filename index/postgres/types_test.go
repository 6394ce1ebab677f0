package postgres_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/postgres"
)

// A schema that is new has the index of types, and in one that has records it is made
// while the store is used: also in the place of one that a process has left half
// made. The referrers of a type are found by it, whether the type or a pattern is given.
func TestTypesHaveAnIndex(t *testing.T) {
	schemas := map[string]func(t *testing.T) postgres.Options{
		"new": func(*testing.T) postgres.Options { return newOptions() },
		"of before": func(t *testing.T) postgres.Options {
			return restored(t, filepath.Join(formats, "postgres-1-e.sql"))
		},
		"half made": func(t *testing.T) postgres.Options {
			options := restored(t, filepath.Join(formats, "postgres-1-e.sql"))
			schema := pgx.Identifier{options.Schema}.Sanitize()
			_, err := connected(t, options.URL).PgConn().Exec(t.Context(), fmt.Sprintf(`CREATE INDEX manifests_type ON %[1]s.manifests (digest);
				UPDATE pg_index SET indisvalid = false WHERE indexrelid = '%[1]s.manifests_type'::regclass`, schema)).ReadAll()
			must(t, err)
			return options
		},
	}
	for name, options := range schemas {
		t.Run(name, func(t *testing.T) {
			store := mustOpen(t, options(t))
			defer func() { must(t, store.Close()) }()
			must(t, push(t.Context(), store, numbered(1)))
			for deadline := time.Now().Add(30 * time.Second); !postgres.Typed(store); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the index is not made")
				}
			}
			for _, pattern := range []string{numbered(1).ArtifactType, numbered(1).ArtifactType[:5] + "*"} {
				plan, err := postgres.ExplainTyped(t.Context(), store, repo, digest.FromString("subject"), pattern)
				must(t, err)
				if !strings.Contains(plan, "manifests_type") {
					t.Errorf("%s: %s", pattern, plan)
				}
				page, err := store.Referrers(t.Context(), repo, digest.FromString("subject"), index.Query{ArtifactTypes: []string{pattern}})
				must(t, err)
				if len(page.Referrers) != 1 {
					t.Errorf("%s: %d are listed", pattern, len(page.Referrers))
				}
			}
		})
	}
}
