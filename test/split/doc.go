// Package split has clients use a registry whose manifests with a subject backref keeps
// in a second one.
package split
