package wire

import (
	"errors"
	"fmt"
	"os"
)

// Errors by which callers tell apart why there is no answer, or not all of it.
// All that is not among them comes from packages net, crypto/tls and net/http,
// or is the cause that the request's context ended for. A body that breaks off
// ends with [io.ErrUnexpectedEOF] or the error of its connection.
var (
	// ErrSilent means that the header of a response did not come within
	// [Options.ResponseHeader]. It matches [os.ErrDeadlineExceeded].
	ErrSilent = fmt.Errorf("no response in time: %w", os.ErrDeadlineExceeded)
	// ErrStalled means that the server paused within a body, one that it took
	// or one that it sent, for longer than [Options.Stall]. It matches
	// [os.ErrDeadlineExceeded].
	ErrStalled = fmt.Errorf("a pause within a body: %w", os.ErrDeadlineExceeded)
	// ErrProxy means that a proxy wants to know who asks.
	ErrProxy = errors.New("the proxy wants other credentials than those of its URL (407)")
)

var (
	// errAnswered means that a response had begun, and was none: it broke off, is
	// no HTTP, or comes after too many informational ones.
	errAnswered = errors.New("the answer broke off")
	// errHTTP2 means that the server offers HTTP/2, which is left to net/http.
	errHTTP2 = errors.New("the server speaks HTTP/2")
	// errSwitches means that the server answered with another protocol.
	errSwitches = fmt.Errorf("%w: it switches protocols unasked", errAnswered)
	// errStatus means that the status of a response has not three digits, or is
	// below 100 (RFC 9110, section 15).
	errStatus = fmt.Errorf("%w: its status is none", errAnswered)
	// errTooManyInterim means that informational responses went on and on.
	errTooManyInterim = fmt.Errorf("%w: more than %d interim ones", errAnswered, maxInterim)
	// errTimeout is what a connection says whose time is over.
	errTimeout = os.ErrDeadlineExceeded
)

// lateHeader is what net/http says, without a value of its own for it, when no
// header came within the time that it was given for that.
const lateHeader = "timeout awaiting response headers"

// within returns a sentinel that names the setting whose time is over.
func within(settings, setting string, sentinel error) error {
	if settings != "" {
		setting = settings + "." + setting
	}
	return fmt.Errorf("the server took longer than %s: %w", setting, sentinel)
}
