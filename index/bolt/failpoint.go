package bolt

// instant is a point in the course of a batch at which a test has the store
// fail.
type instant string

// The instants of a batch, in their order.
const (
	// atBegin is before the transaction.
	atBegin instant = "begin"
	// atApplied is when its changes are made in memory, and atSaved when the
	// store has added what is its own.
	atApplied instant = "applied"
	atSaved   instant = "saved"
	// atWritten is when the transaction is in the file and bbolt is through with
	// it. An error then stands for one that comes behind the write of the meta
	// page: that of its sync.
	atWritten instant = "written"
	// atCommitted is when the store counts it as done, and nobody is told yet.
	atCommitted instant = "committed"
)

// reach has a test fail the store at an instant, by an error, a panic, or the
// end of the process.
func (s *Store) reach(at instant) error {
	if s.failPoint == nil {
		return nil
	}
	return s.failPoint(at)
}
