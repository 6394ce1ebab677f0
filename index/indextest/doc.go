// Package indextest says what every index.Store does: stories for each line of
// the contract, random histories compared with [Model], and readers and
// writers in front of an imagined registry, whose listings have to be right at
// every moment.
//
// A store calls [Run] from its tests, and [RunDurable] if it outlives its
// process. The package is used by tests only.
package indextest
