// Command bench measures backref against its peers on one machine: the
// registry asked directly, nginx, a bare ReverseProxy of the standard library,
// a registry with native referrers, and files served by nginx.
//
// It starts every program itself, on loopback, in a folder of its own, and
// ends what it has started. In each round all peers do the same work one after
// the other, so that what else the machine does meets all of them; results are
// ratios within a round, as median and spread over the rounds.
//
// test/bench/run installs what is needed and runs it; docs/performance.md says
// what the comparisons mean.
package main
