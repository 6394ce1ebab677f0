package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

// UI configures the web page.
type UI struct {
	Admin      bool          `key:"admin" doc:"Whether the page is at /ui/ of the admin listener, for operators: it shows all that upstream.service may read."`
	Public     bool          `key:"public" doc:"Whether the page is at /_backref/ui/ of the listeners for registry clients, where each viewer sees what their own credentials may read."`
	SessionTTL time.Duration `key:"sessionTTL" doc:"How long a viewer of the page stays signed in, from when they signed in; 24h at most. A change counts for sessions that have begun too." reload:"true"`
	OIDC       UIOIDC        `key:"oidc" doc:"An OpenID Connect issuer that signs viewers of the public page in, beside passwords. For mode service."`
}

// UIOIDC configures how viewers of the page sign in at an issuer.
type UIOIDC struct {
	Issuer           *url.URL `key:"issuer" doc:"The issuer, which has to be one of auth.issuers: usernameClaim, groupsClaim and prefix are those of there, so that a user is the same on the page and as a client." reload:"true"`
	ClientID         string   `key:"clientID" doc:"How the issuer knows backref. The address to return to that has to be registered there is that of the page with /sign-in/callback at its end." reload:"true"`
	ClientSecretFile string   `key:"clientSecretFile" doc:"File with what proves to the issuer that it is backref; none for a public client." reload:"true" file:"true"`
	Scopes           []string `key:"scopes" doc:"What is asked of the issuer beside openid, so that its tokens have the claims that are needed." reload:"true"`
}

// maxSessionTTL is how long a session may last at most; the keys that sessions are
// sealed by are kept as long.
const maxSessionTTL = 24 * time.Hour

// Secret reads the client's secret; empty where no file is named.
func (o UIOIDC) Secret() (string, error) {
	if o.ClientSecretFile == "" {
		return "", nil
	}
	content, err := os.ReadFile(o.ClientSecretFile)
	if err != nil {
		return "", fmt.Errorf("ui.oidc.clientSecretFile: %w", err)
	}
	secret := strings.TrimSpace(string(content))
	if secret == "" {
		return "", errors.New("ui.oidc.clientSecretFile: the file holds no secret")
	}
	return secret, nil
}

// IssuerOf returns the one of auth.issuers that signs viewers of the page in; found is
// false where none does.
func (c Config) IssuerOf(o UIOIDC) (issuer Issuer, found bool) {
	if o.Issuer == nil {
		return Issuer{}, false
	}
	for _, issuer := range c.Auth.Issuers {
		if issuer.URL != nil && issuer.URL.String() == o.Issuer.String() {
			return issuer, true
		}
	}
	return Issuer{}, false
}

// validateUI checks that viewers can sign in as it says.
func validateUI(cfg *Config, check func(path string, err error)) {
	if cfg.UI.SessionTTL > maxSessionTTL {
		check("ui.sessionTTL", fmt.Errorf("must be %s at most", durationText(maxSessionTTL)))
	}
	oidc := cfg.UI.OIDC
	if oidc.Issuer == nil {
		if oidc.ClientID != "" || oidc.ClientSecretFile != "" {
			check("ui.oidc.issuer", errors.New("is needed beside the rest of ui.oidc"))
		}
		return
	}
	_, found := cfg.IssuerOf(oidc)
	switch {
	case cfg.Auth.Mode != AuthService:
		check("ui.oidc", errors.New("needs auth.mode service: in passthrough the registry decides by its own credentials, and an issuer gives backref none for it"))
	case !cfg.UI.Public:
		check("ui.oidc", errors.New("has no effect without ui.public"))
	case !found:
		check("ui.oidc.issuer", errors.New("has to be one of auth.issuers, where its claims and prefix are"))
	case oidc.ClientID == "":
		check("ui.oidc.clientID", errors.New("is needed beside ui.oidc.issuer"))
	}
}
