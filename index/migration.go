package index

// Migration says how far a store is that brings an index of an earlier format
// to its own while it is opened.
type Migration struct {
	// From is the format that the index had, To the one that it gets. Stores
	// number their formats each for itself.
	From, To int
	// Moved counts the entries that were rewritten by this process; 0 says that
	// it begins, or that nothing has to be rewritten.
	Moved int64
	// Done says that the index has the format now.
	Done bool
}
