package postgres_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// relay is what may be between a store and its database, and is no PostgreSQL:
// it speaks the protocol, and changes what it was made to change.
type relay struct {
	url, database string
	// statement returns what the database gets of a statement.
	statement func(sql string) string
	// pooled hides the number of the process that serves a connection, as
	// poolers do.
	pooled bool

	listener net.Listener
	mutex    sync.Mutex
	open     map[net.Conn]bool
	closed   bool
	group    sync.WaitGroup
}

// newRelay starts one that changes nothing but what it is made to.
func newRelay(t testing.TB, database string, change ...func(*relay)) *relay {
	t.Helper()
	behind, err := url.Parse(database)
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := &relay{database: behind.Host, listener: listener, open: map[net.Conn]bool{}, statement: func(sql string) string { return sql }}
	behind.Host = listener.Addr().String()
	r.url = behind.String()
	for _, set := range change {
		set(r)
	}
	r.group.Go(r.accept)
	t.Cleanup(func() {
		r.cut()
		r.group.Wait()
	})
	return r
}

// cut ends all connections and lets none in any more.
func (r *relay) cut() {
	_ = r.listener.Close()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.closed = true
	for conn := range r.open {
		_ = conn.Close()
	}
}

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", r.database)
		if err != nil {
			_ = client.Close()
			continue
		}
		r.mutex.Lock()
		r.open[client], r.open[server] = true, true
		closed := r.closed
		r.mutex.Unlock()
		end := func() { _, _ = client.Close(), server.Close() }
		if closed {
			end()
			return
		}
		r.group.Go(func() {
			defer end()
			_ = r.forward(client, server)
		})
		r.group.Go(func() {
			defer end()
			_ = r.back(client, server)
		})
	}
}

// forward passes on what the client says.
func (r *relay) forward(client, server net.Conn) error {
	from, to := pgproto3.NewBackend(client, client), pgproto3.NewFrontend(server, server)
	begin, err := from.ReceiveStartupMessage()
	if err != nil {
		return err
	}
	startup, is := begin.(*pgproto3.StartupMessage)
	if !is {
		return errors.New("no question, as a cancellation")
	}
	to.Send(startup)
	for {
		if err := to.Flush(); err != nil {
			return err
		}
		message, err := from.Receive()
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.Query:
			m.String = r.statement(m.String)
		case *pgproto3.Parse:
			m.Query = r.statement(m.Query)
		}
		to.Send(message)
	}
}

// back passes on what the database says: as it is, but for the key.
func (r *relay) back(client, server net.Conn) error {
	if !r.pooled {
		_, err := io.Copy(client, server)
		return err
	}
	from, to := pgproto3.NewFrontend(server, server), pgproto3.NewBackend(client, client)
	for {
		message, err := from.Receive()
		if err != nil {
			return err
		}
		if key, is := message.(*pgproto3.BackendKeyData); is {
			key.ProcessID++
		}
		to.Send(message)
		if err := to.Flush(); err != nil {
			return err
		}
	}
}

// replacing returns a change of statements: each pair is a text and what comes
// in its place.
func replacing(pairs ...string) func(sql string) string {
	replacer := strings.NewReplacer(pairs...)
	return replacer.Replace
}
