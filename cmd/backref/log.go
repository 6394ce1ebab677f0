package main

import (
	"errors"
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backref/backref/config"
)

// logs are what is written for operators: the log, and the lines of requests,
// which may have a file of their own. They may be used concurrently.
type logs struct {
	*zap.Logger
	// access takes a line for each request; nil for none.
	access *zap.Logger
	// level is the least severe of the lines that are written to the log.
	level zap.AtomicLevel
	// file is that of the lines of requests; nil where they have none.
	file *logFile
	// gathered are lines that are not written yet.
	gathered []*zapcore.BufferedWriteSyncer
}

// newLogs returns what writes the log to w, and lines of requests to where the
// configuration says. Its values were validated with the rest.
func newLogs(cfg config.Log, w io.Writer) (*logs, error) {
	l := &logs{level: zap.NewAtomicLevel()}
	if err := l.SetLevel(cfg.Level); err != nil {
		return nil, err
	}
	l.Logger = zap.New(zapcore.NewCore(newEncoder(cfg.Format, coloured(w)), l.gather(cfg, w), l.level))
	switch {
	case !cfg.Access:
	case cfg.AccessFile == "":
		l.access = l.Logger
	default:
		var err error
		if l.file, err = openLogFile(cfg.AccessFile, l.Logger); err != nil {
			return nil, fmt.Errorf("log.accessFile: %w", err)
		}
		l.access = zap.New(zapcore.NewCore(newEncoder(cfg.Format, false), l.gather(cfg, l.file), zap.InfoLevel))
	}
	return l, nil
}

// newEncoder returns what makes lines.
func newEncoder(format string, colour bool) zapcore.Encoder {
	if format == "text" {
		return newTextEncoder(colour)
	}
	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	encoding.TimeKey = "time"
	encoding.MessageKey = "message"
	encoding.CallerKey = zapcore.OmitKey
	return zapcore.NewJSONEncoder(encoding)
}

// gather returns what writes lines to w, many at once where they may be late:
// each write costs as much as all the rest of a short request.
func (l *logs) gather(cfg config.Log, w io.Writer) zapcore.WriteSyncer {
	// A terminal or pipe can't be synced, and nothing else need be.
	to := zapcore.Lock(zapcore.AddSync(struct{ io.Writer }{w}))
	if cfg.Delay <= 0 {
		return to
	}
	gathered := &zapcore.BufferedWriteSyncer{WS: to, FlushInterval: cfg.Delay}
	l.gathered = append(l.gathered, gathered)
	return gathered
}

// SetLevel sets the least severe lines that are written to the log: debug, info,
// warn or error. Lines of requests that have a file of their own stay as they
// are.
func (l *logs) SetLevel(level string) error {
	parsed, err := zapcore.ParseLevel(level)
	if err != nil {
		return fmt.Errorf("log.level: %w", err)
	}
	l.level.SetLevel(parsed)
	return nil
}

// Reopen opens the file of the lines of requests anew, since another program has
// moved the one before away. Where that can't be done lines go on to that one.
func (l *logs) Reopen() error {
	if l.file == nil {
		return nil
	}
	if err := errors.Join(l.flush(), l.file.reopen()); err != nil {
		return fmt.Errorf("log.accessFile: %w", err)
	}
	return nil
}

// flush writes the lines that were gathered.
func (l *logs) flush() error {
	var errs []error
	for _, gathered := range l.gathered {
		errs = append(errs, gathered.Sync())
	}
	return errors.Join(errs...)
}

// Close writes what was gathered. It is to be called after the last line, once.
func (l *logs) Close() error {
	var errs []error
	for _, gathered := range l.gathered {
		errs = append(errs, gathered.Stop())
	}
	if l.file != nil {
		errs = append(errs, l.file.Close())
	}
	return errors.Join(errs...)
}
