package admin

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backref/backref/oci"
)

// logLevel serves the level of the log as [zap.AtomicLevel] does, with the errors
// of the rest: GET reads it, PUT sets it, by JSON or by a form.
type logLevel struct {
	level *zap.AtomicLevel
	log   *zap.Logger
}

// maxLevel is the largest body that says a level, in bytes.
const maxLevel = 1 << 10

// levelBody is what says a level.
type levelBody struct {
	Level string `json:"level"`
}

// ServeHTTP implements [http.Handler].
func (l logLevel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
	case http.MethodPut:
		wanted, err := readLevel(w, r)
		if err != nil {
			oci.BadRequest(oci.CodeUnsupported, `send {"level": "debug"}, or info, warn or error: `+err.Error()).Write(w)
			return
		}
		l.set(wanted)
	default:
		(&oci.Error{
			Status: http.StatusMethodNotAllowed, Code: oci.CodeUnsupported, Message: "read the level by GET, set it by PUT",
			Header: http.Header{"Allow": {"GET, PUT"}},
		}).Write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(levelBody{l.level.Level().String()})
}

// set sets the level. Whoever misses lines afterwards finds out why.
func (l logLevel) set(wanted zapcore.Level) {
	before := l.level.Level()
	tell := func() {
		l.log.Warn("the level of the log is changed", zap.Stringer("from", before), zap.Stringer("to", wanted))
	}
	if wanted > before {
		tell()
	}
	l.level.SetLevel(wanted)
	if wanted < before {
		tell()
	}
}

var errLevel = errors.New("there is no such level")

func readLevel(w http.ResponseWriter, r *http.Request) (zapcore.Level, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxLevel)
	var wanted levelBody
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && mediaType == "application/x-www-form-urlencoded" {
		wanted.Level = r.PostFormValue("level")
	} else if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil {
		return 0, err
	}
	for _, level := range []zapcore.Level{zap.DebugLevel, zap.InfoLevel, zap.WarnLevel, zap.ErrorLevel} {
		if wanted.Level == level.String() {
			return level, nil
		}
	}
	return 0, errLevel
}
