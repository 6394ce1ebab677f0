package upstream_test

import (
	"strings"
	"testing"

	"github.com/backref/backref/upstream"
)

// Whatever the header is, nothing but realms changes, and a changed one reads
// as what it was changed to.
func FuzzRewriteRealm(f *testing.F) {
	for _, value := range []string{
		`Bearer realm="https://auth.example.com/token",service="s",scope="repository:a:pull,push repository:b:pull"`,
		`Basic realm="a \"b\" c", Bearer realm=https`, `Negotiate YWJj==, bearer Realm = "x"`, `Bearer realm="`, `=`, `Bearer realm="\`,
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		var before []string
		same := upstream.RewriteRealm(value, func(realm string) string {
			before = append(before, realm)
			return realm
		})
		if same != value {
			t.Fatalf("%q became %q", value, same)
		}
		const other = `http://other/"\`
		var after []string
		upstream.RewriteRealm(upstream.RewriteRealm(value, func(string) string { return other }), func(realm string) string {
			after = append(after, realm)
			return realm
		})
		if strings.Join(after, "") != strings.Repeat(other, len(before)) {
			t.Fatalf("%q: realms %q became %q", value, before, after)
		}
	})
}
