package ext

import (
	"encoding/json"

	"github.com/backref/backref/index"
)

// maxListed is the most entries of a page of the extension.
const maxListed = 1000

// pageLimit returns how many entries a page of the extension has at most.
func pageLimit(query index.Query) int {
	if query.Limit == 0 {
		return maxListed
	}
	return min(query.Limit, maxListed)
}

// entryList gathers the entries of a page up to a number and a size.
type entryList struct {
	entries         []json.RawMessage
	bytes           int
	limit, maxBytes int
}

func (e *Extension) newEntryList(query index.Query) *entryList {
	return &entryList{limit: pageLimit(query), maxBytes: e.options.Limits().ResponseSize}
}

// add adds an entry, and tells whether there was room for it. For the first
// there always is.
func (l *entryList) add(entry any) (bool, error) {
	encoded, err := encodeJSON(entry)
	if err != nil {
		return false, err
	}
	if n := len(l.entries); n > 0 && (n >= l.limit || l.bytes+len(encoded) > l.maxBytes) {
		return false, nil
	}
	l.entries = append(l.entries, encoded)
	l.bytes += len(encoded) + 1
	return true, nil
}

// MarshalJSON implements [json.Marshaler]. What is empty is an empty list.
func (l *entryList) MarshalJSON() ([]byte, error) {
	return encodeJSON(append([]json.RawMessage{}, l.entries...))
}
