// Package requirements drives the user stories that backref meets through a
// running proxy in front of real registries that lack the referrers API. Each
// test bears the identifier of its row.
package requirements
