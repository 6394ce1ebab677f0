package proxy

import (
	"net/url"
	"strings"
	"testing"

	"github.com/backref/backref/registry"
)

// FuzzMayName checks that no query names a registry, however it is written or
// read, without being looked at.
func FuzzMayName(f *testing.F) {
	for _, seed := range []string{"ns=docker.io", "n=1&ns=a", "n%73=a", "x=1;ns=a", "%6Es", "ns", "x=ns", "ns=a&ns=b", "+ns=a", "&&ns=", "a=%zz&ns=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, _ := url.ParseQuery(query)
		older, _ := url.ParseQuery(strings.ReplaceAll(query, ";", "&"))
		if (values.Has(registry.ParamNamespace) || older.Has(registry.ParamNamespace)) && !mayName(query) {
			t.Errorf("%q names a registry", query)
		}
	})
}
