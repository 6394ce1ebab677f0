package ui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/backref/backref/client"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/signin"
)

// Clients are the [Accounts] of those who may see what their credentials open, as
// clients of the registry. Door, Elsewhere and Place are required.
type Clients struct {
	// Door, Elsewhere, BlockedRealms and Place are those of [Options].
	Door          http.Handler
	Elsewhere     http.RoundTripper
	BlockedRealms []netip.Prefix
	Place         func(r *http.Request) Place
	// Who tells who sends a header, where the door itself knows users; nil where the
	// registry does.
	Who func(ctx context.Context, header http.Header) (policy.Client, error)
	// Issuer returns the issuer that signs viewers in; nil for none.
	Issuer func() *signin.Code
	// As marks a context as that of whom the issuer has named.
	As func(ctx context.Context, who policy.Client) context.Context
}

// Form implements [Accounts].
func (*Clients) Form() Form {
	return Form{Hint: "As docker login asks for them. A token is given in the place of the password."}
}

// Check implements [Accounts] by asking the door at once.
func (c *Clients) Check(r *http.Request, name, password string) (Account, error) {
	if name == "" || password == "" {
		return Account{}, ErrWrong
	}
	account := Account{Name: name, Username: name, Password: password}
	open, err := c.open(r)
	if err == nil && open {
		// Whoever asks is let in here; a registry may look at a password all the same.
		account.Unproven = true
		err = c.tryBasic(r, name, password)
	} else if err == nil {
		err = c.try(r, account)
	}
	if err != nil {
		return Account{}, err
	}
	if c.Who != nil && !account.Unproven {
		known, err := c.Who(r.Context(), basicHeader(name, password))
		switch {
		case errors.Is(err, signin.ErrRefused):
			return Account{}, ErrWrong
		case err != nil:
			return Account{}, err
		}
		// A token says who it is of, whatever name was given.
		account.Name = known.User
	}
	return account, nil
}

// open tells whether the door lets anybody in, without a question.
func (c *Clients) open(r *http.Request) (bool, error) {
	return c.ask(r, http.Header{})
}

// tryBasic tells whether a door that is open to all refuses a password.
func (c *Clients) tryBasic(r *http.Request, name, password string) error {
	taken, err := c.ask(r, basicHeader(name, password))
	if err == nil && !taken {
		err = ErrWrong
	}
	return err
}

// ask asks the door whether it takes a header.
func (c *Clients) ask(r *http.Request, header http.Header) (taken bool, err error) {
	way := c.way(r)
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+way.host+"/v2/", nil)
	if err != nil {
		return false, err
	}
	req.Header = header
	resp, err := way.RoundTrip(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return false, nil
	default:
		return false, fmt.Errorf("the door answers %d", resp.StatusCode)
	}
}

// try signs in as a client of the registry does, at its token service where it names one.
func (c *Clients) try(r *http.Request, account Account) error {
	plain, way := true, c.way(r)
	asking, err := client.New(client.Options{
		PlainHTTP: &plain, UserAgent: "backref", Once: true, Way: way, BlockedRealms: c.BlockedRealms,
		Credential: auth.StaticCredential(way.host, credentialOf(account)),
	})
	if err != nil {
		return err
	}
	err = asking.Ping(r.Context(), way.host)
	if status, answered := client.StatusOf(err); answered && (status == http.StatusUnauthorized || status == http.StatusForbidden) {
		return ErrWrong
	}
	return err
}

func (c *Clients) way(r *http.Request) inProcess {
	return inProcess{door: c.Door, host: hostOf(c.Place(r)), elsewhere: c.Elsewhere, viewer: r}
}

// Viewer implements [Accounts]. Whether the account may see anything the door says each
// time.
func (c *Clients) Viewer(_ *http.Request, account *Account) (Viewer, error) {
	switch {
	case account == nil:
		return Viewer{}, nil
	case account.Issuer == "":
		return Viewer{Name: account.Name, Unproven: account.Unproven, Credential: credentialOf(*account)}, nil
	}
	// An issuer that isn't believed any more has named nobody.
	if issuer := c.issuer(); issuer == nil || issuer.Name() != account.Issuer {
		return Viewer{}, ErrSignIn
	}
	who := policy.Client{User: account.Name, Groups: account.Groups}
	return Viewer{Name: account.Name, As: func(ctx context.Context) context.Context { return c.As(ctx, who) }}, nil
}

func (c *Clients) issuer() *signin.Code {
	if c.Issuer == nil {
		return nil
	}
	return c.Issuer()
}

func credentialOf(account Account) auth.Credential {
	return auth.Credential{Username: account.Username, Password: account.Password}
}

// basicHeader returns what a client of the registry sends of a name and a password.
func basicHeader(name, password string) http.Header {
	req := http.Request{Header: http.Header{}}
	req.SetBasicAuth(name, password)
	return req.Header
}
