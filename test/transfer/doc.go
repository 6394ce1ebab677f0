// Package transfer copies between real registries, layouts and archives with
// the command line of backref, and has other clients find what it wrote.
package transfer
