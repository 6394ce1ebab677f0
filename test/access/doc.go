// Package access tests who gets in where: real registries with and without a
// password, real clients, and tokens of an issuer on loopback, through a
// running backref whose log must show no secret.
package access
