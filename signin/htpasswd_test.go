package signin_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/backref/backref/signin"
)

// users returns the lines of a file with names and passwords in turns.
func users(t testing.TB, cost int, pairs ...string) string {
	t.Helper()
	var lines strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		hash, err := bcrypt.GenerateFromPassword([]byte(pairs[i+1]), cost)
		if err != nil {
			t.Fatal(err)
		}
		// As the program of Apache writes it.
		fmt.Fprintf(&lines, "%s:%s\n", pairs[i], strings.Replace(string(hash), "$2a$", "$2y$", 1))
	}
	return lines.String()
}

func write(t testing.TB, path, content string) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func basic(name, password string) http.Header {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	return r.Header
}

func TestPasswords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	write(t, file, "# who may sign in\n\n"+users(t, bcrypt.MinCost, "ann", "right", "bob", "other"))
	door, err := signin.New(signin.Options{HtpasswdFile: file, CacheTTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		header http.Header
		want   string
		err    error
	}{
		"right":               {basic("ann", "right"), "ann", nil},
		"right and again":     {basic("ann", "right"), "ann", nil},
		"wrong":               {basic("ann", "wrong"), "", signin.ErrRefused},
		"of another":          {basic("ann", "other"), "", signin.ErrRefused},
		"empty":               {basic("ann", ""), "", signin.ErrRefused},
		"unknown":             {basic("eve", "right"), "", signin.ErrRefused},
		"no name":             {basic("", "right"), "", signin.ErrRefused},
		"other letters":       {basic("Ann", "right"), "", signin.ErrRefused},
		"nothing":             {http.Header{}, "", nil},
		"empty both":          {basic("", ""), "", nil},
		"not Basic":           {http.Header{"Authorization": {"Negotiate abc"}}, "", signin.ErrRefused},
		"not base64":          {http.Header{"Authorization": {"Basic %%"}}, "", signin.ErrRefused},
		"bearer":              {http.Header{"Authorization": {"Bearer x"}}, "", signin.ErrRefused},
		"two at once":         {http.Header{"Authorization": {basic("ann", "right").Get("Authorization"), "Basic x"}}, "", signin.ErrRefused},
		"a remembered prefix": {basic("an", "nright"), "", signin.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := door.Who(t.Context(), c.header)
			if client.User != c.want || !errors.Is(err, c.err) {
				t.Errorf("got %q, %v", client.User, err)
			}
		})
	}
}

// The next door goes by the file as it is then: with the line of a user ends what
// was remembered of the password. A file that can't be used gives none.
func TestTheNextDoorReadsTheFileAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	options := signin.Options{HtpasswdFile: file, CacheTTL: time.Hour}
	write(t, file, users(t, bcrypt.MinCost, "ann", "old", "bob", "x", "carol", "y"))
	door, err := signin.New(options)
	if err != nil {
		t.Fatal(err)
	}
	signsIn := func(door *signin.Door, name, password string) bool {
		_, err := door.Who(t.Context(), basic(name, password))
		return err == nil
	}
	if !signsIn(door, "ann", "old") || !signsIn(door, "bob", "x") {
		t.Fatal("the first users can't sign in")
	}
	write(t, file, users(t, bcrypt.MinCost, "ann", "new", "carol", "y"))
	next, err := door.Next(options)
	if err != nil {
		t.Fatal(err)
	}
	if signsIn(next, "ann", "old") || signsIn(next, "bob", "x") || !signsIn(next, "ann", "new") || !signsIn(next, "carol", "y") {
		t.Error("the file of before counts still")
	}
	if !signsIn(door, "bob", "x") {
		t.Error("a door has changed")
	}
	write(t, file, "ann:plain\n")
	if _, err := next.Next(options); err == nil || !strings.Contains(err.Error(), "auth.htpasswdFile: ") {
		t.Errorf("a file that can't be used: %v", err)
	}
	options.HtpasswdFile = ""
	closed, err := next.Next(options)
	if err != nil {
		t.Fatal(err)
	}
	if signsIn(closed, "ann", "new") || !closed.Closed() {
		t.Error("users sign in without a file")
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	hash := strings.TrimSpace(strings.TrimPrefix(users(t, bcrypt.MinCost, "", "x"), ":"))
	for name, content := range map[string]string{
		"line 1 has no bcrypt hash":    "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n",
		"line 2 has no bcrypt hash":    "ann:" + hash + "\nbob:$apr1$x$y\n",
		"line 1 is not user:hash":      hash + "\n",
		"line 2 has a user":            "ann:" + hash + "\nann:" + hash + "\n",
		"line 1 has cost 31":           "ann:" + strings.Replace(hash, "$04$", "$31$", 1) + "\n",
		"line 1 has no bcrypt hash: w": "ann:\n",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "users")
			write(t, file, content)
			_, err := signin.New(signin.Options{HtpasswdFile: file})
			if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), hash) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := signin.New(signin.Options{HtpasswdFile: "missing"}); err == nil {
		t.Error("a missing file is no error")
	}
}

// The time that a wrong password takes must not tell whether there is such a
// user: the two figures are the same but for noise.
func BenchmarkWrongPassword(b *testing.B) {
	file := filepath.Join(b.TempDir(), "users")
	write(b, file, users(b, bcrypt.DefaultCost, "ann", "right"))
	door, err := signin.New(signin.Options{HtpasswdFile: file, CacheTTL: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"ann", "stranger"} {
		header := basic(name, "wrong")
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _ = door.Who(b.Context(), header)
			}
		})
	}
}
