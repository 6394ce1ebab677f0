package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/backref/backref/index"
)

// Where the index of types is there ([Store.makeTypeIndex]), the referrers that have an
// artifact type are found without a look at the others. It has the beginning of
// each type, of which typeGroup are the rows that share it, and in each group they are
// in the order of their digests.

const (
	// maxTypes is how many groups of a subject are looked through for those that a
	// pattern matches. Where there are more, all referrers are walked through.
	maxTypes = 64
	// fewOfTypes is up to how many referrers of the types are ordered anew, where
	// their rows don't come in the order of the listing.
	fewOfTypes = 1000
)

// typeGroup is what the index has of an artifact type. It is a part of the statement
// that makes the index, which has to fit into a page however long a type is.
const typeGroup = `substr(artifact_type, 1, 250)`

// typeGroupSize is the bytes that typeGroup keeps.
const typeGroupSize = 250

// ofSubject are the referrers of a subject, by the arguments 1 and 3 of a statement.
const ofSubject = `repository = ` + liveRepository + ` AND subject = $3`

const (
	// selectGroups finds the groups of a subject, each by a seek behind the last.
	selectGroups = `WITH RECURSIVE g AS (
			(SELECT ` + typeGroup + ` AS name FROM manifests WHERE ` + ofSubject + ` ORDER BY ` + typeGroup + ` LIMIT 1)
			UNION ALL SELECT (SELECT ` + typeGroup + ` FROM manifests WHERE ` + ofSubject + ` AND ` + typeGroup + ` > g.name ORDER BY ` + typeGroup + ` LIMIT 1)
			FROM g WHERE g.name IS NOT NULL)
		SELECT name FROM g WHERE name IS NOT NULL LIMIT $2`

	// countOfGroups counts the rows of groups up to a number.
	countOfGroups = `SELECT count(*) FROM (SELECT FROM unnest($4::bytea[]) AS g(name)
		CROSS JOIN LATERAL (SELECT FROM manifests WHERE ` + ofSubject + ` AND ` + typeGroup + ` = g.name LIMIT $2) AS m LIMIT $2) AS n`
)

// exactGroups returns the groups of types, which are in order, each once.
func exactGroups(types [][]byte) [][]byte {
	var groups [][]byte
	for _, name := range types {
		groups = append(groups, name[:min(len(name), typeGroupSize)])
	}
	return slices.CompactFunc(groups, bytes.Equal)
}

// goByTypes has the rows that follow come by their types, where that is possible. The
// filters are applied to them all the same: a group may have other types.
func (l *list) goByTypes(ctx context.Context, q queryer) error {
	l.mayGoByTypes = false
	groups, err := l.findGroups(ctx, q)
	if groups == nil || err != nil {
		return err
	}
	if l.byTime() {
		// Their rows come in another order.
		var count int
		if err := q.QueryRow(ctx, countOfGroups, l.repository, fewOfTypes+1, l.subject, groups).Scan(&count); err != nil || count > fewOfTypes {
			return err
		}
		l.ordered, l.place = false, nil
	}
	l.groups = groups
	return nil
}

// findGroups returns the groups that the query selects: nil where there are too many
// to look through, empty where there are none.
func (l *list) findGroups(ctx context.Context, q queryer) ([][]byte, error) {
	if l.types != nil {
		return exactGroups(l.types), nil
	}
	rows, err := q.Query(ctx, selectGroups, l.repository, maxTypes+1, l.subject)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil || len(all) > maxTypes {
		return nil, err
	}
	groups := [][]byte{}
	for _, group := range all {
		if len(group) == typeGroupSize || l.query.MatchesType(string(group)) {
			groups = append(groups, group)
		}
	}
	return groups, nil
}

// typesIndex is the name of the index of types, in the schema of the tables.
const typesIndex = "manifests_type"

// roleTypeIndex is held by the process that makes the index of types.
const roleTypeIndex index.Role = "index of types"

// makeTypeIndex makes the index of types where the tables were there before it, which
// may take minutes and keeps nobody from writing: a step of a migration could not. It
// is called again until the index is there, soon where another process makes it
// (elsewhere); why it could not be made the operator is told once.
func (s *Store) makeTypeIndex(ctx context.Context) (elsewhere bool) {
	if s.typed.Load() {
		return false
	}
	err := s.tryTypeIndex(ctx)
	if err == nil || ctx.Err() != nil {
		return false
	}
	if errors.Is(err, index.ErrInUse) {
		return true
	}
	if !s.typeIndexFailed {
		s.typeIndexFailed = true
		s.servers.say(fmt.Sprintf("the index of artifact types could not be made, so that filters by type look at all referrers of a subject; it is tried again: %v", err))
	}
	return false
}

func (s *Store) tryTypeIndex(ctx context.Context) error {
	if there, err := s.typeIndexState(ctx); there == indexReady || err != nil {
		s.typed.Store(there == indexReady)
		return err
	}
	held, release, err := s.Hold(ctx, roleTypeIndex)
	if err != nil {
		return err
	}
	defer release()
	return s.buildTypeIndex(held)
}

// indexState is how far an index is.
type indexState int

const (
	indexMissing indexState = iota
	// indexBroken is one that is being made, or was by a process that has ended.
	indexBroken
	indexReady
)

func (s *Store) typeIndexState(ctx context.Context) (state indexState, err error) {
	var valid *bool
	err = s.read(ctx, func(ctx context.Context) error {
		name := pgx.Identifier{s.schema, typesIndex}.Sanitize()
		return s.pool.QueryRow(ctx, `SELECT (SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1))`, name).Scan(&valid)
	})
	switch {
	case err != nil || valid == nil:
		return indexMissing, err
	case *valid:
		return indexReady, nil
	default:
		return indexBroken, nil
	}
}

// buildTypeIndex makes the index by a connection of its own, without a transaction and,
// where the connection has a session of its own, without limits of time.
func (s *Store) buildTypeIndex(ctx context.Context) error {
	state, err := s.typeIndexState(ctx)
	if err != nil || state == indexReady {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if !s.pool.shared.Load() {
		if _, err := conn.PgConn().Exec(ctx, `SET statement_timeout = 0; SET lock_timeout = 0`).ReadAll(); err != nil {
			return err
		}
	}
	if state == indexBroken {
		broken := pgx.Identifier{s.schema, typesIndex}.Sanitize()
		if _, err := conn.PgConn().Exec(ctx, `DROP INDEX CONCURRENTLY IF EXISTS `+broken).ReadAll(); err != nil {
			return err
		}
	}
	table := pgx.Identifier{s.schema, "manifests"}.Sanitize()
	_, err = conn.PgConn().Exec(ctx, `CREATE INDEX CONCURRENTLY IF NOT EXISTS `+typesIndex+` ON `+table+
		` (repository, subject, `+typeGroup+`, digest) WHERE subject IS NOT NULL`).ReadAll()
	if err != nil {
		return err
	}
	state, err = s.typeIndexState(ctx)
	s.typed.Store(state == indexReady)
	return err
}
