// Package measure tells how an index fares: how long its calls take and how many
// fail, how many changes share a transaction, and what waits in it. It leaves to the
// stores what only they know, such as their connections.
package measure
