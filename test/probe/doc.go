// Package probe holds tests of what is found out of real registries, and of those that
// mean harm.
package probe
