// Package conformance runs the suite of the OCI distribution specification
// against real registries, directly and through backref.
package conformance
