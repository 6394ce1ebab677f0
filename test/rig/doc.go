// Package rig starts real programs on loopback for tests: registries, backref
// itself, and a relay between the two that misbehaves on demand, or refuses what
// strict registries refuse. Each listens on a port of its own, is ended by its process id when the test is over, and
// shows its log where the test failed.
//
// Programs that test/tools installs are required: a test that can't have one
// fails and says how to get it.
package rig
