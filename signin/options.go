package signin

import (
	"net/url"
	"time"
)

// Options say by what clients sign in. The zero value is nobody's: all clients
// are anonymous.
type Options struct {
	// HtpasswdFile has users and their bcrypt hashes, as htpasswd -B writes it;
	// empty for none. It is read when the door is made, see [Door.Next].
	HtpasswdFile string
	// CacheTTL is how long a password that was right is not hashed again; 0
	// hashes on every request.
	CacheTTL time.Duration
	// Issuers are the OpenID Connect issuers whose tokens are believed.
	Issuers []Issuer
}

// Issuer is an OpenID Connect issuer.
type Issuer struct {
	// URL is the issuer, exactly as its tokens name it.
	URL *url.URL
	// Audience is what a token has to be for.
	Audience string
	// UsernameClaim and GroupsClaim are the claims with the name and the groups of
	// the user; sub, and no groups, where they are empty.
	UsernameClaim, GroupsClaim string
	// Prefix is put before the names of users and groups.
	Prefix string
}
