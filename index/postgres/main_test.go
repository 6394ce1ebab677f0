package postgres_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/backref/backref/test/rig"
)

// serverVariable names the environment variable that holds the URL of the
// server that the tests share.
const serverVariable = "BACKREF_TEST_POSTGRES"

// TestMain starts a PostgreSQL for all tests. Each store has a schema of its
// own.
func TestMain(m *testing.M) {
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
