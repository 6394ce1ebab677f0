package browser

import (
	"fmt"
	"sync"
)

// tailSize is how many bytes of a log are kept.
const tailSize = 16 << 10

// tail keeps the end of what is written to it. It may be used at once.
type tail struct {
	mutex sync.Mutex
	text  []byte
}

// Write implements io.Writer and never fails.
func (l *tail) Write(text []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.text = append(l.text, text...)
	l.text = l.text[max(0, len(l.text)-tailSize):]
	return len(text), nil
}

func (l *tail) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(l, format+"\n", args...)
}

// String returns what is kept.
func (l *tail) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return string(l.text)
}
