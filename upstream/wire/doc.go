// Package wire is a way to a server by HTTP: a [Transport], which is an
// [http.RoundTripper], for a proxy that passes bodies on.
//
// Requests without a body go by connections of the package's own: the goroutine
// that has the request writes it and reads the answer, where package net/http
// hands both to two others. A body whose length is known can be moved by the
// system from one socket to another (see [Mover]). What those connections are
// not for is sent by net/http: requests with a body, HTTP/2, and, where
// [Options] say so, all others too.
//
// Both ways guarantee the same: bodies are neither decompressed nor altered, a
// body that breaks off never looks whole, an answer has a status and stays with
// HTTP, a request that may have changed something is sent once, and each phase
// ends within the time that [Options] give it. What a server sends unasked is no
// answer to the next request by connections of the package's own; by net/http it
// may be. Redirects, credentials, cookies
// and the meaning of a status are left to the caller.
package wire
