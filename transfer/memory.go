package transfer

import (
	"context"
	"sync"
)

// remembered is how many things of each kind a run remembers. A digest with what
// belongs to it takes about 300 bytes.
const remembered = 100_000

// memory has a thing done by whoever comes first; others that come meanwhile wait
// for that, and do it themselves where it failed. What is done is remembered
// up to a limit, the newest things: what is forgotten is done again, which finds
// it done. It is safe for concurrent use.
type memory[V any] struct {
	limit int

	mutex  sync.Mutex
	claims map[string]*claim[V]
	// order are the keys that are done, the oldest first.
	order []string
}

// claim is a thing that somebody does or has done.
type claim[V any] struct {
	// ended is closed at the end; done says whether it went well.
	ended chan struct{}
	done  bool
	value V
}

func newMemory[V any](limit int) *memory[V] {
	return &memory[V]{limit: limit, claims: map[string]*claim[V]{}}
}

// do returns what came of a thing, and whether it was this call that did it.
func (m *memory[V]) do(ctx context.Context, key string, work func() (V, error)) (value V, first bool, err error) {
	for {
		c, mine := m.claim(key)
		if mine {
			value, err = work()
			m.end(key, c, value, err == nil)
			return value, true, err
		}
		select {
		case <-c.ended:
			if c.done {
				return c.value, false, nil
			}
		case <-ctx.Done():
			return value, false, ctx.Err()
		}
	}
}

// note remembers a thing that was found done, and tells whether that is news.
func (m *memory[V]) note(key string, value V) bool {
	c, mine := m.claim(key)
	if mine {
		m.end(key, c, value, true)
	}
	return mine
}

// known returns what came of a thing that is done.
func (m *memory[V]) known(key string) (value V, found bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if c := m.claims[key]; c != nil && c.done {
		return c.value, true
	}
	return value, false
}

func (m *memory[V]) claim(key string) (c *claim[V], mine bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if c = m.claims[key]; c != nil {
		return c, false
	}
	c = &claim[V]{ended: make(chan struct{})}
	m.claims[key] = c
	return c, true
}

func (m *memory[V]) end(key string, c *claim[V], value V, done bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	c.value, c.done = value, done
	close(c.ended)
	if !done {
		delete(m.claims, key)
		return
	}
	if m.order = append(m.order, key); len(m.order) > m.limit {
		delete(m.claims, m.order[0])
		m.order = m.order[1:]
	}
}
