// Package signin finds out who a client of backref is: by a name and password
// against a file of bcrypt hashes, or by a token (JWT) of an OpenID Connect
// issuer against that issuer's keys.
//
// It guarantees that a name or password that is wrong can't be told from each
// other by the time it takes, that a change of an issuer's keys counts, that algorithms are pinned, and that the work that strangers
// can cause is bounded. What a client may do is left to policy.
package signin
