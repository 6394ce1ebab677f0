// Package see tries what shows people and programs what there is about an image:
// with real registries, and the programs that people sign with.
package see
