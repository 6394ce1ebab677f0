package main

import (
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backref/backref/config"
)

// newLog returns the logger for operators, its level, which may be set while it is
// used, and what ends it after its last line.
func newLog(cfg config.Log, w io.Writer) (log *zap.Logger, level zap.AtomicLevel, flush func() error) {
	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	encoding.TimeKey = "time"
	encoding.MessageKey = "message"
	encoding.CallerKey = zapcore.OmitKey
	encoder := zapcore.NewJSONEncoder(encoding)
	if cfg.Format == "text" {
		encoder = zapcore.NewConsoleEncoder(encoding)
	}
	level = zap.NewAtomicLevelAt(logLevel(cfg))
	// A terminal or pipe can't be synced, and nothing else need be.
	to, flush := zapcore.Lock(zapcore.AddSync(struct{ io.Writer }{w})), func() error { return nil }
	if cfg.Delay > 0 {
		// One write for many lines: each costs as much as all the rest of a
		// short request.
		gathered := &zapcore.BufferedWriteSyncer{WS: to, FlushInterval: cfg.Delay}
		to, flush = gathered, gathered.Stop
	}
	return zap.New(zapcore.NewCore(encoder, to, level)), level, flush
}

// logLevel returns the level, which was validated with the rest of the
// configuration.
func logLevel(cfg config.Log) zapcore.Level {
	level, err := zapcore.ParseLevel(cfg.Level)
	if err != nil {
		return zapcore.InfoLevel
	}
	return level
}
