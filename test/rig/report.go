package rig

import (
	"os"
	"testing"
)

// reportVariable names the environment variable with the file that figures
// are added to.
const reportVariable = "RIG_REPORT"

// Report keeps a figure or table for the end of the run: test/run prints it.
func Report(t testing.TB, text string) {
	t.Helper()
	t.Log("\n" + text)
	path := os.Getenv(reportVariable)
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(text + "\n\n"); err != nil {
		t.Error(err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
}
