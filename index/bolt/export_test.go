package bolt

// SmallSteps has an index of an earlier format brought forward by transactions
// that write a few entries each.
func SmallSteps(opts Options) Options {
	opts.moveStep = 3
	return opts
}
