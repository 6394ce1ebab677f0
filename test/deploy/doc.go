// Package deploy tests what is in deploy. The chart is rendered by Helm 3 and
// Helm 4, the kustomizations are built, and what comes out is decoded strictly into
// the types of the Kubernetes API and held against what the program itself says of
// its configuration and metrics; test/cluster asks a real API server. The image,
// the Compose files and the unit are started as hosts would.
package deploy
