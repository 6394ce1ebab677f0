// Package bolt keeps the index in one bbolt file.
package bolt
