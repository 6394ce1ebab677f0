package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// colourTerminal is a terminal that shows colours.
type colourTerminal struct{ io.Writer }

// forPeople returns what lines for people are written to: in colours where w is a
// terminal and the environment does not ask for none (no-color.org).
func forPeople(w io.Writer, environ []string) io.Writer {
	if _, is := terminalOf(w); is && wantsColours(environ) {
		return colourTerminal{w}
	}
	return w
}

func coloured(w io.Writer) bool {
	_, is := w.(colourTerminal)
	return is
}

const (
	// textTime is of one length, so that what follows stands in columns.
	textTime = "2006-01-02T15:04:05.000Z07:00"
	// messageWidth is how much room a message has before its fields.
	messageWidth = 24
)

// textEncoder makes lines for people: time, level, message, key=value. What
// could be taken for another field, or line, stands in quotes.
type textEncoder struct {
	text   strings.Builder
	colour bool
	// within are the names of the objects around the next field, each with a dot.
	within string
}

func newTextEncoder(colour bool) zapcore.Encoder {
	return &textEncoder{colour: colour}
}

// Clone implements [zapcore.Encoder].
func (e *textEncoder) Clone() zapcore.Encoder {
	copied := &textEncoder{colour: e.colour, within: e.within}
	copied.text.WriteString(e.text.String())
	return copied
}

// EncodeEntry implements [zapcore.Encoder].
func (e *textEncoder) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	line := &textEncoder{colour: e.colour}
	line.paint(styleFaint, entry.Time.Format(textTime))
	line.text.WriteByte(' ')
	line.paint(levelColour(entry.Level), fmt.Sprintf("%-5s", entry.Level.CapitalString()))
	line.text.WriteByte(' ')
	line.paint(styleBold, fmt.Sprintf("%-*s", messageWidth, onOneLine(entry.Message)))
	line.text.WriteString(e.text.String())
	line.within = e.within
	for i := range fields {
		fields[i].AddTo(line)
	}
	out := buffers().Get()
	out.AppendString(strings.TrimRight(line.text.String(), " "))
	out.AppendByte('\n')
	return out, nil
}

// buffers returns what lends one buffer: lines for people are few.
func buffers() buffer.Pool { return buffer.NewPool() }

func levelColour(level zapcore.Level) string {
	switch {
	case level >= zapcore.ErrorLevel:
		return styleRed
	case level == zapcore.WarnLevel:
		return styleYellow
	case level == zapcore.InfoLevel:
		return styleGreen
	default:
		return styleBlue
	}
}

func (e *textEncoder) paint(colour, text string) {
	if !e.colour {
		e.text.WriteString(text)
		return
	}
	e.text.WriteString(styled(colour, text))
}

// add adds a field whose value needs no quotes.
func (e *textEncoder) add(key, value string) {
	e.text.WriteByte(' ')
	e.paint(styleFaint, e.within+key+"=")
	e.text.WriteString(value)
}

// quoted returns a value as it is where it can't be taken for anything else.
func quoted(value string) string {
	odd := func(c rune) bool { return c == ' ' || c == '"' || c == '=' || !unicode.IsPrint(c) }
	if value == "" || strings.ContainsFunc(value, odd) || !strings.HasPrefix(strconv.Quote(value), `"`+value) {
		return strconv.Quote(value)
	}
	return value
}

// onOneLine returns a message without what would end it early.
func onOneLine(message string) string {
	text := strconv.Quote(message)
	return strings.ReplaceAll(text[1:len(text)-1], `\"`, `"`)
}

func (e *textEncoder) addJSON(key string, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	e.add(key, onOneLine(string(encoded)))
	return nil
}

// AddArray implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddArray(key string, array zapcore.ArrayMarshaler) error {
	gathered := zapcore.NewMapObjectEncoder()
	if err := gathered.AddArray(key, array); err != nil {
		return err
	}
	return e.addJSON(key, gathered.Fields[key])
}

// AddObject implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddObject(key string, object zapcore.ObjectMarshaler) error {
	outside := e.within
	e.within += key + "."
	defer func() { e.within = outside }()
	return object.MarshalLogObject(e)
}

// OpenNamespace implements [zapcore.ObjectEncoder].
func (e *textEncoder) OpenNamespace(key string) { e.within += key + "." }

// AddReflected implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddReflected(key string, value any) error { return e.addJSON(key, value) }

// AddString implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddString(key, value string) { e.add(key, quoted(value)) }

// AddByteString implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddByteString(key string, value []byte) { e.add(key, quoted(string(value))) }

// AddBinary implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddBinary(key string, value []byte) {
	e.add(key, quoted(base64.StdEncoding.EncodeToString(value)))
}

// AddBool implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddBool(key string, value bool) { e.add(key, strconv.FormatBool(value)) }

// AddComplex128 implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddComplex128(key string, value complex128) { e.add(key, fmt.Sprint(value)) }

// AddComplex64 implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddComplex64(key string, value complex64) { e.add(key, fmt.Sprint(value)) }

// AddDuration implements [zapcore.ObjectEncoder]. Its unit is the second, as in
// lines of JSON.
func (e *textEncoder) AddDuration(key string, value time.Duration) {
	e.AddFloat64(key, value.Seconds())
}

// AddFloat64 implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddFloat64(key string, value float64) {
	e.add(key, strconv.FormatFloat(value, 'f', -1, 64))
}

// AddFloat32 implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddFloat32(key string, value float32) {
	e.add(key, strconv.FormatFloat(float64(value), 'f', -1, 32))
}

// AddInt implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddInt(key string, value int) { e.AddInt64(key, int64(value)) }

// AddInt64 implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddInt64(key string, value int64) { e.add(key, strconv.FormatInt(value, 10)) }

// AddInt32 implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddInt32(key string, value int32) { e.AddInt64(key, int64(value)) }

// AddInt16 implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddInt16(key string, value int16) { e.AddInt64(key, int64(value)) }

// AddInt8 implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddInt8(key string, value int8) { e.AddInt64(key, int64(value)) }

// AddTime implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddTime(key string, value time.Time) { e.add(key, value.Format(textTime)) }

// AddUint implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddUint(key string, value uint) { e.AddUint64(key, uint64(value)) }

// AddUint64 implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddUint64(key string, value uint64) { e.add(key, strconv.FormatUint(value, 10)) }

// AddUint32 implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddUint32(key string, value uint32) { e.AddUint64(key, uint64(value)) }

// AddUint16 implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddUint16(key string, value uint16) { e.AddUint64(key, uint64(value)) }

// AddUint8 implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddUint8(key string, value uint8) { e.AddUint64(key, uint64(value)) }

// AddUintptr implements [zapcore.ObjectEncoder].
func (e *textEncoder) AddUintptr(key string, value uintptr) { e.AddUint64(key, uint64(value)) }
