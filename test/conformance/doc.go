// Package conformance runs the suite of the OCI distribution specification
// against real registries, directly and through backref, and guards how many of its
// tests fail.
package conformance
