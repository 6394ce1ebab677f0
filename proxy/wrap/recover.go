package wrap

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"go.uber.org/zap"

	"github.com/backref/backref/oci"
)

// RecoverOptions are what [Recover] needs.
type RecoverOptions struct {
	// Fail answers the client; required.
	Fail Fail
}

// Recover turns a panic into an error for this client alone. Aborting a
// response is the server's own way to break off, and passes. It goes within
// [Observe].
func Recover(o RecoverOptions) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if cause := recover(); cause != nil {
					o.answer(w, r, cause)
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
}

// answer answers a request whose handler panicked, or breaks the answer off
// that the handler had begun.
func (o *RecoverOptions) answer(w http.ResponseWriter, r *http.Request, cause any) {
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(cause)
	}
	e := EntryOf(r)
	e.Note(zap.String("stack", string(debug.Stack())))
	if status, known := statusOf(w); known && status != 0 {
		e.Note(zap.String("panic", fmt.Sprint(cause)))
		panic(http.ErrAbortHandler)
	}
	o.Fail(w, r, &oci.Error{
		Status: http.StatusInternalServerError, Code: oci.CodeUnknown,
		Message: "this proxy failed; report it to its operator with the X-Request-Id",
		Cause:   fmt.Errorf("panic: %v", cause),
	})
}

// statusOf returns the status that was written, 0 before, where the writer
// knows it.
func statusOf(w http.ResponseWriter) (status int, known bool) {
	if watched, ok := w.(interface{ Status() int }); ok {
		return watched.Status(), true
	}
	return 0, false
}
