// Package upstream is one registry as backref needs it: a round trip for
// traffic that passes through, and typed questions for what backref has to
// know itself (manifests by tag or digest, the registry's own referrers).
//
// It guarantees that bodies are neither decompressed nor altered, that
// credentials go to the configured registry only and are never printed, that
// redirects are followed for backref's own questions only, and to no address
// that a client could not be sent to, and that every answer it reads is bounded
// in size and time. How requests get there and answers back is that of package
// wire, below this one. What an answer means for the index or a client is left to
// its callers.
package upstream
