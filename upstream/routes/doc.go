// Package routes puts several registries behind one: each route has the repositories
// below a prefix asked of another registry, where they are named without it.
//
// It guarantees that what one registry is sent never reaches another: a request, with
// the credentials that came with it, goes to the registry that its path belongs to and
// to no other, and cookies, which a client can't tell apart by registry, go to none of
// a route. Everything else about a registry, such as how it is reached and what is
// made up for there, is that of its own [upstream.Registry].
package routes
