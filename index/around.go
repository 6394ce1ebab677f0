package index

// Around is what an index knows of a manifest and of what refers to it, as of one
// instant.
type Around struct {
	// Record is that of the manifest; nil where it has none.
	Record *Record
	// Referrers are the records that have it for their subject, in the order of
	// their digests.
	Referrers []Record
	// More says that there are further ones.
	More bool
}
