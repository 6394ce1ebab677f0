package upstream_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/backref/backref/upstream"
)

// A challenge asks for what the client wants beside what the question needed.
func TestWanting(t *testing.T) {
	for challenge, want := range map[string]string{
		`Bearer realm="https://t",service="s",scope="repository:team/app:pull"`:      `Bearer realm="https://t",service="s",scope="repository:team/app:pull,push"`,
		`Bearer scope="repository:team/app:pull,push",realm="https://t"`:             `Bearer scope="repository:team/app:pull,push",realm="https://t"`,
		`Bearer realm="x",scope="repository:a:pull repository:team/app:pull", Basic`: `Bearer realm="x",scope="repository:a:pull repository:team/app:pull,push", Basic`,
		`Bearer realm="x",scope="repository:team/app2:pull"`:                         `Bearer realm="x",scope="repository:team/app2:pull"`,
		`Basic realm="repository:team/app:pull"`:                                     `Basic realm="repository:team/app:pull"`,
		`Bearer scope="registry:catalog:*"`:                                          `Bearer scope="registry:catalog:*"`,
		`not "one`:                                                                   `not "one`,
	} {
		refusal := &upstream.StatusError{Status: http.StatusUnauthorized, Header: http.Header{"Www-Authenticate": {challenge}}}
		got := refusal.Wanting("team/app", "push").Header["Www-Authenticate"]
		if !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q", challenge, got)
		}
		if refusal.Header.Get("Www-Authenticate") != challenge {
			t.Errorf("%s: the answer itself was changed", challenge)
		}
	}
	if got := (&upstream.StatusError{Header: http.Header{}}).Wanting("a", "push"); len(got.Header) != 0 {
		t.Errorf("header %v", got.Header)
	}
}
