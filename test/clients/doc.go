// Package clients drives backref with the programs that people use: oras,
// regctl, crane and skopeo.
package clients
