// Package maintenance drives what keeps the index right beside the requests:
// rebuild, verification, settling, the mirror of referrers tags, export and
// backup, each by the real program against real registries.
package maintenance
