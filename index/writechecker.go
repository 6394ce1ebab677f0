package index

import "context"

// WriteChecker is a [Store] that can be unable to take changes for reasons that
// pass, as while its database is away.
type WriteChecker interface {
	// CheckWrites makes a change that changes nothing, the way that all others
	// go, and returns why it could not be made.
	CheckWrites(ctx context.Context) error
}
