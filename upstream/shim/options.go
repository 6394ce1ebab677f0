package shim

import "github.com/backref/backref/upstream"

// Options say which shims a registry gets. The zero value has none.
type Options struct {
	// Ranges has ranges that can't be satisfied answered so.
	Ranges bool
	// Chunks has chunks of uploads refused that are out of their order.
	Chunks bool
}

// Shims returns the shims that o has, for [upstream.Options], in the order in which
// they need each other.
func (o Options) Shims() []upstream.Shim {
	var shims []upstream.Shim
	return shims
}
