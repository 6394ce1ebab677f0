// Command bench measures backref against its peers on one machine: the
// registry asked directly, nginx, a bare ReverseProxy of the standard library,
// a registry with native referrers, files served by nginx, and another build of
// backref, such as that before a change.
//
// It starts every program itself, on loopback, in a folder of its own, and
// ends what it has started. In each round all peers do the same work one after
// the other, so that what else the machine does meets all of them; results are
// ratios within a round, as median and spread over the rounds.
//
// Another build can't be expected to read an index of this one. Where an index
// is filled by pushes each build fills its own; where it is loaded by the store
// alone, this program is run once more, linked with the store of that build.
//
// test/bench/run installs what is needed and runs it; docs/benchmarks.md says
// what the comparisons mean.
package main
