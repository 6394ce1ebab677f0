// Package cluster puts the chart and the kustomizations to a real Kubernetes API
// server, which test/tools cluster builds and the tests start, with its store, on
// loopback. No dry run of Helm finds what this does. There are no nodes and no
// controllers: objects are taken or refused, and nothing runs. Its tests are
// skipped unless RIG_CLUSTER is set, as test/cluster/run does.
package cluster
