package rig

import (
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"
)

// PostgresPair is a primary that commits nothing without its standby, which can
// take its place. It is of Debian's version.
type PostgresPair struct {
	// URL names both, of which the one that can be written to is taken.
	URL string
	// Primary and Standby change places in [PostgresPair.Promote].
	Primary, Standby *Postgres
}

// bothStandbys has either of the two wait for the other, by its name.
const bothStandbys = `ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (left, right)'`

// askOften is how soon a standby looks for its primary again, which a promotion
// waits for.
const askOften = "wal_retrieve_retry_interval=100ms"

// NewPostgresPair starts two servers until the test is over. They don't wait for
// their disks: what dies in tests is processes, and no machine.
func NewPostgresPair(t testing.TB) *PostgresPair {
	t.Helper()
	bin, err := postgresPrograms(0)
	if err != nil {
		t.Fatal(err)
	}
	first, err := startPostgres(bin, false, "cluster_name=left", askOften)
	if err != nil {
		t.Fatal(err)
	}
	first.endWith(t)
	// The standby has it with the copy.
	if err := first.Set(bothStandbys); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	second := &Postgres{dir: dir, bin: bin, settings: []string{"cluster_name=right", askOften}}
	if err := second.prepare(); err != nil {
		t.Fatal(err)
	}
	p := &PostgresPair{Primary: first, Standby: second, URL: (&url.URL{
		Scheme: "postgres", User: url.User(postgresUser), Host: "127.0.0.1:" + first.port + ",127.0.0.1:" + second.port, Path: "/postgres",
		RawQuery: "sslmode=disable&connect_timeout=2&target_session_attrs=read-write",
	}).String()}
	if err := p.followPrimary(); err != nil {
		t.Fatalf("%v\n%s", err, second.Log())
	}
	second.endWith(t)
	return p
}

// Promote makes the standby the primary, and returns when it can be written to.
// What was the primary is left as it is.
func (p *PostgresPair) Promote() error {
	promote, err := p.Standby.program("pg_ctl", "promote", "--pgdata", p.Standby.data(), "--wait")
	if err != nil {
		return err
	}
	if output, err := promote.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_ctl promote: %w\n%s", err, output)
	}
	p.Primary, p.Standby = p.Standby, p.Primary
	return nil
}

// Rejoin makes what was the primary before the last [PostgresPair.Promote] a
// standby of the present one, by a new copy of its files.
func (p *PostgresPair) Rejoin() error {
	if err := p.Standby.Kill(); err != nil {
		return err
	}
	if err := os.RemoveAll(p.Standby.data()); err != nil {
		return err
	}
	return p.followPrimary()
}

// followPrimary copies the primary, starts the copy as its standby, and waits
// until commits wait for it.
func (p *PostgresPair) followPrimary() error {
	backup, err := p.Standby.program("pg_basebackup", "--pgdata", p.Standby.data(), "--dbname", p.Primary.URL, "--write-recovery-conf", "--checkpoint", "fast", "--no-sync")
	if err != nil {
		return err
	}
	if output, err := backup.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w\n%s", err, output)
	}
	if err := p.Standby.Start(); err != nil {
		return err
	}
	for begun := time.Now(); time.Since(begun) < startTimeout; time.Sleep(20 * time.Millisecond) {
		// Divides by zero while there is none.
		if p.Primary.Exec(`SELECT 1 / count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')`) == nil {
			return nil
		}
	}
	return fmt.Errorf("no standby follows after %s", startTimeout)
}
