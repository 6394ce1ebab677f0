// Package access proves who gets in and who doesn't, with registries that ask
// for credentials and the clients that people use.
package access
