// Package clients drives backref with the programs that people use: oras,
// regctl, crane, skopeo, cosign and notation.
package clients
