package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// servers are those that connections have led to. When a standby is promoted,
// what was the primary may be there still, or again, and may take itself for
// one: what it lists is old, and what it is told is lost. So none is used that
// another has taken the place of, as far as this process has seen.
type servers struct {
	say func(string)

	mutex  sync.Mutex
	newest server
	// risks are those that were said last.
	risks string
}

// server is a primary. The zero server is one that can't be told from others.
type server struct {
	// system is what it has in common with its copies, and timeline counts the
	// promotions up to it.
	system   string
	timeline int64
}

var (
	errReplaced = errors.New("another server has been promoted in place of this one")
	errRecovers = errors.New("the server is a standby, the index needs the primary")
)

// serverKey is where a connection has its server.
const serverKey = "backref server"

// selectServer asks a server which one it is, and whether it is a standby. The
// timeline is in the name of the file that it writes to. Other engines have none
// of this.
const (
	selectServer   = `SELECT (SELECT system_identifier::text FROM pg_control_system()), pg_is_in_recovery(), ` + selectTimeline
	selectTimeline = `CASE WHEN pg_is_in_recovery() THEN 0 ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint END`
)

// selectRisks asks for what makes a server lose changes, or the whole index,
// where its machine fails. The last is what sessions begin with.
const selectRisks = `SELECT coalesce(current_setting('fsync', true), 'on'), coalesce(current_setting('full_page_writes', true), 'on'),
	coalesce((SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'), 'on')`

// watch has all connections of a pool meet the servers.
func (s *servers) watch(cfg *pgxpool.Config) {
	validate := cfg.ConnConfig.ValidateConnect
	cfg.ConnConfig.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if validate != nil {
			if err := validate(ctx, conn); err != nil {
				return err
			}
		}
		// Where this fails the next host of several is tried.
		return s.meet(ctx, conn)
	}
	cfg.ShouldPing = func(_ context.Context, asked pgxpool.ShouldPingParams) bool {
		return asked.IdleDuration > time.Second && s.uses(asked.Conn)
	}
	cfg.PrepareConn = func(_ context.Context, conn *pgx.Conn) (bool, error) {
		return s.uses(conn), nil
	}
}

// uses tells whether the server of a connection was not replaced.
func (s *servers) uses(conn *pgx.Conn) bool { return s.current(serverOf(conn)) }

// serverOf returns the server that a connection led to when it was made.
func serverOf(conn *pgx.Conn) server {
	found, _ := conn.PgConn().CustomData()[serverKey].(server)
	return found
}

// present returns the newest one.
func (s *servers) present() server {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.newest
}

func (s *servers) current(found server) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return found == server{} || found == s.newest
}

// meet looks at the server of a new connection.
func (s *servers) meet(ctx context.Context, conn *pgconn.PgConn) error {
	found, recovers, err := identify(ctx, conn)
	switch {
	case err != nil:
		return err
	case recovers:
		return errRecovers
	}
	if err := s.admit(found); err != nil {
		return err
	}
	conn.CustomData()[serverKey] = found
	row, err := askRow(ctx, conn, selectRisks)
	if err != nil || len(row) != 3 {
		return err
	}
	s.sayRisks(row)
	return nil
}

// identify asks a server which one it is, and whether it is a standby.
func identify(ctx context.Context, conn *pgconn.PgConn) (found server, recovers bool, err error) {
	row, err := askRow(ctx, conn, selectServer)
	if err == nil && len(row) != 3 {
		// Who may not ask for all may ask for this.
		row, err = askRow(ctx, conn, `SELECT pg_is_in_recovery()`)
		return server{}, err == nil && len(row) == 1 && row[0] == "t", err
	}
	if err != nil {
		return server{}, false, err
	}
	if row[1] == "t" {
		return server{}, true, nil
	}
	found.system = row[0]
	if found.timeline, err = strconv.ParseInt(row[2], 10, 64); err != nil {
		return server{}, false, fmt.Errorf("read the timeline of the server: %w", err)
	}
	return found, false, nil
}

// admit refuses a server that was replaced. One of another system is another
// database, which the operator has put there.
func (s *servers) admit(found server) error {
	if found == (server{}) {
		return nil
	}
	s.mutex.Lock()
	before := s.newest
	refused := found.system == before.system && found.timeline < before.timeline
	if !refused {
		s.newest = found
	}
	s.mutex.Unlock()
	if refused {
		return fmt.Errorf("%w: it is of timeline %d, and one of %d was seen", errReplaced, found.timeline, before.timeline)
	}
	if found != before && before != (server{}) {
		s.say(fmt.Sprintf("the database is another server from now on: timeline %d after %d", found.timeline, before.timeline))
	}
	return nil
}

// askRow asks a question before anything is set, and returns its row; none where
// the server doesn't know what is asked.
func askRow(ctx context.Context, conn *pgconn.PgConn, question string) ([]string, error) {
	results, err := conn.Exec(ctx, question).ReadAll()
	var refused *pgconn.PgError
	// Unknown, not allowed, or not supported: other errors may pass.
	if errors.As(err, &refused) && !conn.IsClosed() && (strings.HasPrefix(refused.Code, "42") || strings.HasPrefix(refused.Code, "0A")) {
		return nil, nil
	}
	if err != nil || len(results) != 1 || len(results[0].Rows) != 1 {
		return nil, err
	}
	var row []string
	for _, value := range results[0].Rows[0] {
		row = append(row, string(value))
	}
	return row, nil
}

// sayRisks says what makes a server lose changes, once for each such server.
func (s *servers) sayRisks(settings []string) {
	var risks []string
	if settings[0] == "off" {
		risks = append(risks, "fsync is off: when its machine fails, the whole index may be lost")
	}
	if settings[1] == "off" {
		risks = append(risks, "full_page_writes is off: when its machine fails, the index may be damaged")
	}
	if commit := settings[2]; commit != "on" && commit != "remote_apply" {
		risks = append(risks, "synchronous_commit of the user or server is "+commit+": the sessions of backref set it to on")
	}
	text := strings.Join(risks, "; ")
	s.mutex.Lock()
	again := text == s.risks
	s.risks = text
	s.mutex.Unlock()
	if !again && text != "" {
		s.say("settings of the database: " + text)
	}
}
