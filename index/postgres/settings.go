package postgres

import (
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// setting is one that the statements of the store rest on.
type setting struct{ name, value string }

// settings returns those that a session has, or a transaction where it has no
// session of its own: see [sessions].
//
// Every statement is written for an index of the tables, so that no plan that
// reads whole tables is taken, not even one that was made while they were empty.
func settings(opts Options) []setting {
	milliseconds := strconv.FormatInt(opts.Timeout.Milliseconds(), 10)
	all := []setting{
		// A commit whose wait for a standby was broken off succeeds with a warning.
		{"client_min_messages", "warning"},
		{"search_path", pgx.Identifier{opts.Schema}.Sanitize()},
		{"statement_timeout", milliseconds},
		{"lock_timeout", milliseconds},
		{"idle_in_transaction_session_timeout", milliseconds},
		{"plan_cache_mode", "force_generic_plan"},
		{"jit", "off"},
		// Where values come as text, this is the one that can be read.
		{"bytea_output", "hex"},
	}
	for _, plan := range []string{"seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin"} {
		all = append(all, setting{"enable_" + plan, "off"})
	}
	return all
}

// sessionOnly returns the settings that a transaction does not need: its first
// statement says how it is isolated, and the connection is the pooler's.
func sessionOnly() []setting {
	return []setting{
		// Each statement behind a lock has to see what others did before it.
		{"default_transaction_isolation", "read committed"},
		// A machine that is gone says nothing, and what it holds is waited for.
		{"tcp_keepalives_idle", "5"},
		{"tcp_keepalives_interval", "5"},
		{"tcp_keepalives_count", "3"},
	}
}

// durableCommit has a commit be on disk when it is acknowledged, whatever the
// default of the server; where a standby has to apply it first, that stays.
const durableCommit = `CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END`

// settingStatement returns the statement that makes all settings, for a session
// or for its transaction alone. It is one SELECT, so that it can go before
// others in every form in which statements are sent.
func settingStatement(opts Options, session bool) string {
	all := settings(opts)
	local := ", true)"
	if session {
		all, local = append(all, sessionOnly()...), ", false)"
	}
	calls := []string{"set_config('synchronous_commit', " + durableCommit + local}
	for _, s := range all {
		calls = append(calls, "set_config("+literal(s.name)+", "+literal(s.value)+local)
	}
	return "SELECT " + strings.Join(calls, ", ")
}

// literal quotes a text for a statement, however the server reads backslashes.
func literal(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}
