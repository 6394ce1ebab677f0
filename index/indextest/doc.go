// Package indextest says what every index.Store does, and every
// index.Maintainer: stories for each line of the contract, random histories
// compared with [Model], and readers, writers and rebuilds in front of an
// imagined registry, whose listings have to be right at every moment.
//
// A store calls [Run] from its tests, [RunDurable] if it outlives its process,
// and [RunBackup] if it is a Copier too. The package is used by tests only.
package indextest
