package wrap_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/backref/backref/proxy/wrap"
)

// Who makes no traces pays nothing for those who do.
func TestNoTraceCostsNothing(t *testing.T) {
	plain := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	through := wrap.Trace(wrap.TraceOptions{})(plain)
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	if n := testing.AllocsPerRun(100, func() { through.ServeHTTP(w, r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
