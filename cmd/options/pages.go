package options

import (
	"github.com/backref/backref/config"
	"github.com/backref/backref/signin"
)

// Code returns what the configuration says of the issuer that signs viewers of the page
// in; wanted is false where none does. It fails where the client's secret can't be read.
func Code(cfg config.Config) (o signin.CodeOptions, wanted bool, err error) {
	issuer, found := cfg.IssuerOf(cfg.UI.OIDC)
	if !found {
		return signin.CodeOptions{}, false, nil
	}
	secret, err := cfg.UI.OIDC.Secret()
	return signin.CodeOptions{
		Issuer: signin.Issuer(issuer), ClientID: cfg.UI.OIDC.ClientID, Secret: secret, Scopes: cfg.UI.OIDC.Scopes,
	}, true, err
}
