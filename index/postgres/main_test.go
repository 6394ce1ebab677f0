package postgres_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/backref/backref/test/rig"
)

// serverVariable names the environment variable that holds the URL of the
// server that the tests share.
const serverVariable = "BACKREF_TEST_POSTGRES"

// TestMain starts a PostgreSQL for all tests. Each store has a schema of its
// own.
func TestMain(m *testing.M) {
	if first := os.Getenv(childFirst); first != "" {
		n, _ := strconv.Atoi(first)
		fmt.Fprintln(os.Stderr, writeUntilKilled(context.Background(), n))
		os.Exit(1)
	}
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	server, err := rig.StartPostgres(false)
	if err != nil {
		return 0, err
	}
	defer func() {
		if ended := server.Close(); err == nil {
			err = ended
		}
	}()
	if err := os.Setenv(serverVariable, server.URL); err != nil {
		return 0, err
	}
	return m.Run(), nil
}
