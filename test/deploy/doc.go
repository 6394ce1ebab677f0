// Package deploy tests what is in deploy for Kubernetes: the chart as Helm 3 and
// Helm 4 render it, the kustomizations, alert rules and the dashboard. What comes
// out is decoded strictly into the types of the Kubernetes API, and held against
// what the program itself says of its configuration and metrics. A real API
// server is asked by test/cluster.
package deploy
