// Package admin is the operators' listener: health, metrics, profiles, the
// notifications of the registry, and what is maintained.
//
// The package guarantees that notifications and maintenance are only for those
// who have the operators' token or, where none is set, who are on this machine.
// What these two do comes in as handlers, and whether the server is ready as a
// function.
package admin
