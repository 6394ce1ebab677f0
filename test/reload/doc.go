// Package reload tests that a running backref takes changes of its configuration:
// the real program, told by SIGHUP or by the files themselves, in front of a real
// registry.
package reload
