package bolt

import "context"

// SmallSteps has an index of an earlier format brought forward by transactions
// that write a few entries each.
func SmallSteps(opts Options) Options {
	opts.moveStep = 3
	return opts
}

// Instants returns the names of the instants of a batch, in their order.
func Instants() []string {
	return []string{string(atBegin), string(atApplied), string(atSaved), string(atWritten), string(atCommitted)}
}

// FailAt has a store call fail, with the name of each instant of a batch.
func FailAt(opts Options, fail func(at string) error) Options {
	opts.failPoint = func(at instant) error { return fail(string(at)) }
	return opts
}

// Untyped tells whether entries of types are still to be made.
func Untyped(s *Store) (untyped bool, err error) {
	err = s.change(context.Background(), func(w *writing) error {
		untyped = w.untyped() != nil
		return nil
	})
	return untyped, err
}

// Waiting returns how many changes wait for the writer.
func Waiting(s *Store) int { return s.queue.Waiting() }
