package shim

import "github.com/backref/backref/upstream"

// Options say which shims a registry gets. The zero value has none.
type Options struct {
	// Ranges has ranges of blobs answered that the registry gets wrong.
	Ranges bool
	// Locations has answers to pushes say where what was pushed is.
	Locations bool
	// Asked has manifests called by the digest that they were asked for by.
	Asked bool
	// Deletes has blobs that are not there deleted by 404.
	Deletes bool
	// Chunks has chunks of uploads refused that are out of their order, and uploads say
	// how far they are.
	Chunks bool
	// Hashes has blobs hashed by what the registry takes them; nil is for none. It needs
	// Aliases.
	Hashes Secrets
	// Aliases has content found by a digest that the registry does not keep; nil is
	// for none.
	Aliases Aliases
	// Envelopes has manifests kept that the registry refuses; nil is for none.
	Envelopes *Envelopes
}

// Shims returns the shims that o has, for [upstream.Options], in the order in which
// they need each other.
func (o Options) Shims() []upstream.Shim {
	var shims []upstream.Shim
	if o.Ranges {
		shims = append(shims, func(without *upstream.Registry) upstream.Sender { return ranges{without} })
	}
	if o.Locations {
		shims = append(shims, func(without *upstream.Registry) upstream.Sender { return locations{without} })
	}
	if o.Asked {
		shims = append(shims, func(without *upstream.Registry) upstream.Sender { return asked{without} })
	}
	if o.Deletes {
		shims = append(shims, func(without *upstream.Registry) upstream.Sender { return deletes{without} })
	}
	if o.Chunks {
		shims = append(shims, func(without *upstream.Registry) upstream.Sender { return newChunks(without) })
	}
	if o.Hashes != nil {
		shims = append(shims, func(without *upstream.Registry) upstream.Sender { return hashes{o.Hashes, without} })
	}
	if o.Aliases != nil {
		shims = append(shims, func(without *upstream.Registry) upstream.Sender { return digests{o.Aliases, without} })
	}
	if o.Envelopes != nil {
		shims = append(shims, func(without *upstream.Registry) upstream.Sender { return newKept(*o.Envelopes, o.Aliases, without) })
	}
	return shims
}
