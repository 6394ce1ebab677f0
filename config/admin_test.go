package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/backref/backref/config"
)

func TestAdminToken(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"token": "s3cret\n", "empty": " \n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		file, want string
		fails      bool
	}{
		{file: "", want: ""},
		{file: filepath.Join(dir, "token"), want: "s3cret"},
		{file: filepath.Join(dir, "empty"), fails: true},
		{file: filepath.Join(dir, "missing"), fails: true},
	} {
		got, err := config.Admin{TokenFile: c.file}.Token()
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%q: got %q, %v", c.file, got, err)
		}
	}
}
