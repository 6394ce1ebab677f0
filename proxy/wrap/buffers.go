package wrap

import "sync"

// BufferSize is what one streamed body holds in memory, in bytes.
const BufferSize = 64 << 10

// Buffers are what bodies are copied by, kept for reuse. The zero value has
// none yet. They may be used concurrently.
type Buffers struct {
	pool sync.Pool
}

// Get returns a buffer with any content, which is to be given back by
// [Buffers.Put].
func (b *Buffers) Get() *[BufferSize]byte {
	if buffer, ok := b.pool.Get().(*[BufferSize]byte); ok {
		return buffer
	}
	return new([BufferSize]byte)
}

// Put takes a buffer back. Nobody may use it any more.
func (b *Buffers) Put(buffer *[BufferSize]byte) {
	b.pool.Put(buffer)
}
