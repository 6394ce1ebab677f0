package signin

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/backref/backref/policy"
)

// Errors of [Door.Who].
var (
	// ErrRefused means that the credentials are not right.
	ErrRefused = errors.New("credentials are not right")
	// ErrUnavailable means that whether they are can't be found out just now.
	ErrUnavailable = errors.New("credentials can't be checked just now")
)

// Door is where clients sign in. It may be used concurrently, and never changes:
// another takes its place, see [Door.Next].
type Door struct {
	// passwords and tokens may be nil: then nobody signs in that way.
	passwords *htpasswd
	tokens    *issuers
}

// New returns the door that o describes. Issuers are not asked before the
// first of their tokens comes.
func New(o Options) (*Door, error) {
	return (&Door{}).Next(o)
}

// Next returns the door that o describes, with its file as it is now. What is the
// same as of d it takes over: the keys of issuers, and which passwords were
// right. A user who is not in the file any more, or has another password there,
// is refused by it at once.
func (d *Door) Next(o Options) (*Door, error) {
	next := &Door{}
	if len(o.Issuers) > 0 {
		next.tokens = newIssuers(o.Issuers, d.tokens)
	}
	if o.HtpasswdFile == "" {
		return next, nil
	}
	passwords, err := newHtpasswd(o.HtpasswdFile, o.CacheTTL, d.passwords)
	if err != nil {
		return nil, err
	}
	next.passwords = passwords
	return next, nil
}

// Who returns the client that sent a header: anonymous where it holds no
// credentials. Errors: [ErrRefused], [ErrUnavailable], and that of ctx.
//
// A token is taken as Bearer, and as the password of Basic for the sake of
// clients that can present nothing else; the name beside it does not count.
func (d *Door) Who(ctx context.Context, header http.Header) (policy.Client, error) {
	given := header.Values("Authorization")
	if len(given) == 0 || len(given) == 1 && given[0] == "" {
		return policy.Client{}, nil
	}
	if len(given) > 1 {
		return policy.Client{}, ErrRefused
	}
	scheme, value, _ := strings.Cut(given[0], " ")
	if strings.EqualFold(scheme, "Bearer") {
		return d.byToken(ctx, strings.TrimSpace(value))
	}
	name, password, ok := (&http.Request{Header: header}).BasicAuth()
	switch {
	case !ok:
		return policy.Client{}, ErrRefused
	case name == "" && password == "":
		// Some clients without credentials answer a challenge so.
		return policy.Client{}, nil
	case d.tokens != nil && d.tokens.know(password):
		return d.byToken(ctx, password)
	case d.passwords == nil || name == "":
		return policy.Client{}, ErrRefused
	}
	if err := d.passwords.check(ctx, name, password); err != nil {
		return policy.Client{}, err
	}
	return policy.Client{User: name}, nil
}

func (d *Door) byToken(ctx context.Context, token string) (policy.Client, error) {
	if d.tokens == nil {
		return policy.Client{}, ErrRefused
	}
	return d.tokens.check(ctx, token)
}

// Challenges returns how clients can sign in, as WWW-Authenticate has it.
// Basic comes first: it is what every client understands.
func (d *Door) Challenges() []string {
	challenges := []string{`Basic realm="backref", charset="UTF-8"`}
	if d.tokens != nil {
		challenges = append(challenges, `Bearer realm="backref"`)
	}
	return challenges
}

// Closed tells whether nobody can sign in.
func (d *Door) Closed() bool {
	return d.passwords == nil && d.tokens == nil
}
