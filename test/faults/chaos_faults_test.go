package faults

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"strconv"
	"sync"
	"time"
)

// upstreamTimeout is how long backref waits for an answer of the registry in
// these tests; what hangs does so for longer.
const upstreamTimeout = 500 * time.Millisecond

// A fault is a way in which the way to the registry fails. It returns true
// where it has answered.
type fault struct {
	name string
	act  func(m *mischief, w http.ResponseWriter, r *http.Request)
}

func faultKinds() []fault {
	return []fault{
		{"500", status(http.StatusInternalServerError)},
		{"503", status(http.StatusServiceUnavailable)},
		{"429", status(http.StatusTooManyRequests)},
		{"cut before the registry acts", (*mischief).cutBefore},
		{"cut after the registry acted", (*mischief).cutAfter},
		{"cut in the answer", (*mischief).cutWithin},
		{"504 although the registry acted", (*mischief).gatewayTimeout},
		{"hangs", (*mischief).hang},
		{"hangs, then the registry acts", (*mischief).late},
	}
}

// mischief decides which requests fail on their way to the registry, and how.
type mischief struct {
	registry string

	mutex  sync.Mutex
	random *rand.Rand
	kinds  []fault
	share  float64
	counts map[string]int
	moment *moment
	// held counts the requests that still may reach the registry after the
	// relay has dropped them.
	held sync.WaitGroup
}

// moment is an instant in the life of a request that is waited for.
type moment struct {
	method string
	after  bool
	// reached is closed at that instant; the request then waits for goOn.
	reached, goOn chan struct{}
	once          sync.Once
}

// set chooses the faults from now on and the share of requests that meet one.
func (m *mischief) set(share float64, kinds ...fault) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.share, m.kinds = share, kinds
}

// at does something while a request with the method is about to reach the
// registry, or has just been answered by it. Where none comes in time it is
// done all the same.
func (m *mischief) at(method string, after bool, patience time.Duration, act func()) {
	at := &moment{method: method, after: after, reached: make(chan struct{}), goOn: make(chan struct{})}
	m.await(at)
	select {
	case <-at.reached:
	case <-time.After(patience):
	}
	act()
	m.await(nil)
	close(at.goOn)
}

func (m *mischief) await(at *moment) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.moment = at
}

// before is called for every request that comes to the relay.
func (m *mischief) before(w http.ResponseWriter, r *http.Request) bool {
	m.strike(r.Method, false)
	kind, unlucky := m.draw()
	if !unlucky {
		return false
	}
	kind.act(m, w, r)
	return true
}

// after is called for every answer of the registry.
func (m *mischief) after(r *http.Request, _ int) {
	m.strike(r.Method, true)
}

func (m *mischief) strike(method string, after bool) {
	m.mutex.Lock()
	at := m.moment
	m.mutex.Unlock()
	if at == nil || at.method != method || at.after != after {
		return
	}
	at.once.Do(func() { close(at.reached) })
	<-at.goOn
}

func (m *mischief) draw() (fault, bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if len(m.kinds) == 0 || m.random.Float64() >= m.share {
		return fault{}, false
	}
	kind := m.kinds[m.random.IntN(len(m.kinds))]
	m.counts[kind.name]++
	return kind, true
}

func (m *mischief) between(least, most int) int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return least + m.random.IntN(most-least)
}

func status(code int) func(*mischief, http.ResponseWriter, *http.Request) {
	return func(_ *mischief, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(code)
	}
}

func (m *mischief) cutBefore(http.ResponseWriter, *http.Request) {
	panic(http.ErrAbortHandler)
}

func (m *mischief) cutAfter(_ http.ResponseWriter, r *http.Request) {
	_, _ = m.forward(r, 0)
	panic(http.ErrAbortHandler)
}

// cutWithin sends a part of the registry's answer: of its header or body.
func (m *mischief) cutWithin(w http.ResponseWriter, r *http.Request) {
	answer, err := m.forward(r, 0)
	conn, _, hijackErr := http.NewResponseController(w).Hijack()
	if err != nil || hijackErr != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = conn.Write(answer[:m.between(1, len(answer))])
	_ = conn.Close()
}

func (m *mischief) gatewayTimeout(w http.ResponseWriter, r *http.Request) {
	_, _ = m.forward(r, 0)
	w.WriteHeader(http.StatusGatewayTimeout)
}

func (m *mischief) hang(http.ResponseWriter, *http.Request) {
	time.Sleep(m.delay())
	panic(http.ErrAbortHandler)
}

func (m *mischief) late(_ http.ResponseWriter, r *http.Request) {
	_, _ = m.forward(r, m.delay())
	panic(http.ErrAbortHandler)
}

// delay is longer than backref waits.
func (m *mischief) delay() time.Duration {
	return upstreamTimeout + time.Duration(m.between(100, 1000))*time.Millisecond
}

// forward puts a request to the registry after a while, whatever has become of
// its sender, and returns the answer as it would stand on the wire.
func (m *mischief) forward(r *http.Request, after time.Duration) ([]byte, error) {
	m.held.Add(1)
	defer m.held.Done()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	time.Sleep(after)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, m.registry+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = r.Header.Clone()
	req.Header.Set("Content-Length", strconv.Itoa(len(body)))
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return httputil.DumpResponse(resp, r.Method != http.MethodHead)
}
