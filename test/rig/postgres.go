package rig

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Postgres is a PostgreSQL server of its own, with an empty database. It trusts
// whoever reaches it, which is on loopback alone.
type Postgres struct {
	// URL names the database, as libpq reads it.
	URL string
	// PID is the process that was started last.
	PID int

	// dir is removed in the end.
	dir, bin, port string
	durable        bool
	// settings are more of the server's, as its command line has them.
	settings []string
	cmd      *exec.Cmd
	ended    chan struct{}
	log      *os.File
}

// postgresUser is who has the database.
const postgresUser = "backref"

// NewPostgres starts a server until the test is over. A durable one waits for
// its disk; the others are for tests that kill no machine.
func NewPostgres(t testing.TB, durable bool) *Postgres {
	t.Helper()
	p, err := StartPostgres(durable)
	if err != nil {
		t.Fatal(err)
	}
	p.endWith(t)
	return p
}

// NewPostgresVersion is [NewPostgres] with a server of that version; see
// [PostgresVersions].
func NewPostgresVersion(t testing.TB, version int, durable bool) *Postgres {
	t.Helper()
	bin, err := postgresPrograms(version)
	if err != nil {
		t.Fatal(err)
	}
	p, err := startPostgres(bin, durable)
	if err != nil {
		t.Fatal(err)
	}
	p.endWith(t)
	return p
}

// endWith ends the server when the test is over.
func (p *Postgres) endWith(t testing.TB) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of PostgreSQL:\n%s", p.Log())
		}
		if err := p.Close(); err != nil {
			t.Errorf("end PostgreSQL: %v", err)
		}
	})
}

// StartPostgres is [NewPostgres] where there is no test yet; Close ends it.
func StartPostgres(durable bool) (*Postgres, error) {
	version, err := askedVersion()
	if err != nil {
		return nil, err
	}
	bin, err := postgresPrograms(version)
	if err != nil {
		return nil, err
	}
	return startPostgres(bin, durable)
}

func startPostgres(bin string, durable bool, settings ...string) (*Postgres, error) {
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		return nil, err
	}
	p := &Postgres{dir: dir, bin: bin, durable: durable, settings: settings}
	if err := p.create(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, p.Log())
	}
	return p, nil
}

// create makes the files of a server, with one database.
func (p *Postgres) create() error {
	if err := p.prepare(); err != nil {
		return err
	}
	init, err := p.program("initdb", "--pgdata", p.data(), "--username", postgresUser, "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	if err != nil {
		return err
	}
	if output, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, output)
	}
	return nil
}

// prepare makes the folder of a server ready, and finds it a port.
func (p *Postgres) prepare() error {
	// The server may run as another user, who has to get there.
	if err := os.Chmod(p.dir, 0o755); err != nil {
		return err
	}
	owner, err := postgresOwner()
	if err != nil {
		return err
	}
	if owner != nil {
		if err := os.Chown(p.dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	if p.log, err = os.CreateTemp(p.dir, "log"); err != nil {
		return err
	}
	// The port is free now; who else looks for one gets another.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	if _, p.port, err = net.SplitHostPort(listener.Addr().String()); err != nil {
		return err
	}
	p.URL = (&url.URL{Scheme: "postgres", User: url.User(postgresUser), Host: listener.Addr().String(), Path: "/postgres", RawQuery: "sslmode=disable"}).String()
	return nil
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

// postgresOwner is who the server runs as, since it refuses to run as root; nil
// is who runs the test.
func postgresOwner() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// program prepares one of the programs of PostgreSQL.
func (p *Postgres) program(name string, args ...string) (*exec.Cmd, error) {
	owner, err := postgresOwner()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	return cmd, nil
}

// Start starts the server, which was stopped or killed, on its port.
func (p *Postgres) Start() error {
	args := []string{"-D", p.data(), "-p", p.port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "max_connections=200", "-c", "shared_buffers=256MB", "-c", "log_checkpoints=off"}
	if !p.durable {
		args = append(args, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	for _, setting := range p.settings {
		args = append(args, "-c", setting)
	}
	cmd, err := p.program("postgres", args...)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	ended := make(chan struct{})
	p.cmd, p.PID, p.ended = cmd, cmd.Process.Pid, ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	return p.wait()
}

// wait waits until the server takes connections.
func (p *Postgres) wait() error {
	for begun := time.Now(); time.Since(begun) < startTimeout; time.Sleep(20 * time.Millisecond) {
		select {
		case <-p.ended:
			return fmt.Errorf("PostgreSQL ended at once")
		default:
		}
		// One that starts or recovers refuses who comes.
		if p.Exec("") == nil {
			return nil
		}
	}
	return fmt.Errorf("PostgreSQL is not ready after %s", startTimeout)
}

// Exec carries statements out.
func (p *Postgres) Exec(statements string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgconn.Connect(ctx, p.URL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statements).ReadAll(); err != nil {
		return fmt.Errorf("%s: %w", statements, err)
	}
	return nil
}

// Set carries out ALTER SYSTEM, and has the server read its settings again.
func (p *Postgres) Set(statement string) error {
	if err := p.Exec(statement); err != nil {
		return err
	}
	return p.Exec(`SELECT pg_reload_conf()`)
}

// Stop ends the server at once but in order: it breaks connections off.
func (p *Postgres) Stop() error {
	return p.end(syscall.SIGINT)
}

// Kill ends the server as a crash does: SIGQUIT to its first process ends all
// of them without writing anything.
func (p *Postgres) Kill() error {
	return p.end(syscall.SIGQUIT)
}

func (p *Postgres) end(signal syscall.Signal) error {
	if p.cmd == nil {
		return nil
	}
	select {
	case <-p.ended:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("end PostgreSQL: %w", err)
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(startTimeout):
		return fmt.Errorf("PostgreSQL does not end")
	}
}

// Close ends the server and removes its files.
func (p *Postgres) Close() error {
	err := p.Kill()
	_ = p.log.Close()
	if removed := os.RemoveAll(p.dir); err == nil {
		err = removed
	}
	return err
}

// Log returns what the server has logged last.
func (p *Postgres) Log() string {
	if p.log == nil {
		return ""
	}
	content, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(bytes.TrimSpace(content)), "\n")
	const most = 40
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
