// Package commit is the group commit of the stores: changes that come while the
// medium is busy share its next transaction, so that many callers wait for one
// write of the disk, or for one answer of a database.
//
// A [Queue] takes changes of any number of goroutines and has one goroutine of
// its own attempt them, a batch at a time, in the order in which they came. It
// guarantees that a batch is bounded by number and weight, that a change whose
// caller has gone is not attempted, that a change which can't be made fails
// alone, that each caller gets the outcome of its own change, and that after
// [Queue.Close] nothing is attempted any more and no goroutine is left.
//
// What a change is, and how a batch of them is read, made and written, is the
// medium's: it gives the queue one function, and learns nothing of callers.
package commit
