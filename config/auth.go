package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// The values of [Auth.Mode].
const (
	AuthPassthrough = "passthrough"
	AuthService     = "service"
)

// The values of [Auth.Realm].
const (
	RealmKeep    = "keep"
	RealmRewrite = "rewrite"
)

// Auth configures who signs in where.
type Auth struct {
	Mode         string        `key:"mode" doc:"Whose credentials the registry sees: those of the client as they came (passthrough), or upstream.service for every request (service); then clients sign in to backref, and auth.rules say what they may do." enum:"passthrough,service"`
	Realm        string        `key:"realm" doc:"What becomes of the address of the token service in the registry's challenges, for mode passthrough: keep leaves it, for clients that reach it themselves; rewrite names /_backref/token instead, which passes token requests on to it." enum:"keep,rewrite"`
	RecheckRealm time.Duration `key:"recheckRealm" doc:"How long the address of the token service is remembered, with auth.realm: rewrite. 0 asks the registry for it every time."`
	HtpasswdFile string        `key:"htpasswdFile" doc:"File with users and their bcrypt hashes, as htpasswd -B writes it. For mode service." reload:"true" file:"true"`
	CacheTTL     time.Duration `key:"cacheTTL" doc:"How long a password that was right is not hashed again, which is slow by intent. A change of the file counts at once. 0 hashes on every request." reload:"true"`
	Issuers      []Issuer      `key:"issuers" doc:"OpenID Connect issuers whose tokens (JWT) sign clients in. For mode service." reload:"true"`
	Rules        []Rule        `key:"rules" doc:"Who may do what in which repositories; what no rule allows is refused. For mode service." reload:"true"`
}

// Issuer is an OpenID Connect issuer whose tokens are believed.
type Issuer struct {
	URL           *url.URL `key:"url" doc:"The issuer, exactly as its tokens name it; its keys are found by /.well-known/openid-configuration below it." required:"true"`
	Audience      string   `key:"audience" doc:"The audience that a token has to be for." required:"true"`
	UsernameClaim string   `key:"usernameClaim" doc:"The claim with the name of the user; sub where it is not set."`
	GroupsClaim   string   `key:"groupsClaim" doc:"The claim with the user's groups; none where it is not set."`
	Prefix        string   `key:"prefix" doc:"Put before the names of users and groups, so that no other issuer or file can give the same. Needed beside another source of users."`
}

// Rule lets some clients do something in some repositories.
type Rule struct {
	Repositories []string `key:"repositories" doc:"Repositories, as patterns: * stands for any part of a name without a slash, ** for any part." required:"true"`
	Users        []string `key:"users" doc:"Users that the rule is for; * is everyone who signed in."`
	Groups       []string `key:"groups" doc:"Groups of users that the rule is for."`
	Anonymous    bool     `key:"anonymous" doc:"The rule is for everyone, signed in or not."`
	Allow        []string `key:"allow" doc:"What the rule allows." required:"true" enum:"pull,push,delete,admin"`
}

// Configured tells whether backref can sign in to the registry by itself, or
// needs not to.
func (s UpstreamService) Configured() bool {
	return s.Username != "" || s.DockerConfig != "" || s.Anonymous
}

// validateServiceAt checks who backref is to a registry, which a section says.
func validateServiceAt(section string, s UpstreamService, check func(path string, err error)) {
	switch {
	case s.DockerConfig != "" && (s.Username != "" || s.Password != "" || s.PasswordFile != ""):
		check(section+".dockerConfig", errors.New("must not be given beside username or password"))
	case s.Username == "" && (s.Password != "" || s.PasswordFile != ""):
		check(section+".username", errors.New("is needed beside a password"))
	case s.Password != "" && s.PasswordFile != "":
		check(section+".passwordFile", errors.New("must not be given beside password"))
	}
}

// validateAuth checks that what is set about signing in has an effect, and
// that nobody can pass for another.
func validateAuth(cfg *Config, check func(path string, err error)) {
	auth := cfg.Auth
	if auth.Mode != AuthService {
		idle := func(path string, set bool) {
			if set {
				check(path, errors.New("has no effect in auth.mode passthrough: set auth.mode to service"))
			}
		}
		idle("auth.htpasswdFile", auth.HtpasswdFile != "")
		idle("auth.issuers", len(auth.Issuers) > 0)
		idle("auth.rules", len(auth.Rules) > 0)
		return
	}
	if !cfg.Upstream.Service.Configured() {
		check("auth.mode", errors.New("service needs upstream.service, to sign in to the registry with"))
	}
	if len(auth.Rules) == 0 {
		check("auth.rules", errors.New("is needed in auth.mode service: without a rule nothing is allowed"))
	}
	check("auth.issuers", checkIssuers(auth))
	for _, rule := range auth.Rules {
		check("auth.rules", checkRule(rule))
	}
}

func checkRule(rule Rule) error {
	switch {
	case len(rule.Repositories) == 0:
		return errors.New("a rule names no repositories")
	case len(rule.Allow) == 0:
		return errors.New("a rule allows nothing: set allow")
	case len(rule.Users) == 0 && len(rule.Groups) == 0 && !rule.Anonymous:
		return errors.New("a rule is for nobody: set users, groups or anonymous")
	}
	return nil
}

// checkIssuers makes sure that keys are fetched from who they should be, and
// that names of one source can't be given by another.
func checkIssuers(auth Auth) error {
	prefixes, urls := map[string]bool{}, map[string]bool{}
	alone := auth.HtpasswdFile == "" && len(auth.Issuers) == 1
	for _, issuer := range auth.Issuers {
		switch {
		case issuer.URL == nil:
			return errors.New("an issuer has no url")
		case issuer.Audience == "":
			return fmt.Errorf("issuer %s has no audience: any token of that issuer would do", issuer.URL)
		case issuer.URL.Scheme != "https" && !isLoopback(issuer.URL.Hostname()):
			return fmt.Errorf("issuer %s has to be https: its keys decide who may sign in", issuer.URL)
		case urls[issuer.URL.String()]:
			return fmt.Errorf("issuer %s is given twice", issuer.URL)
		case !alone && (issuer.Prefix == "" || prefixes[issuer.Prefix]):
			return fmt.Errorf("issuer %s needs a prefix of its own, since users come from elsewhere too", issuer.URL)
		}
		for other := range prefixes {
			if strings.HasPrefix(other, issuer.Prefix) || strings.HasPrefix(issuer.Prefix, other) {
				return fmt.Errorf("issuer %s has a prefix that begins as another's", issuer.URL)
			}
		}
		prefixes[issuer.Prefix], urls[issuer.URL.String()] = true, true
	}
	return nil
}

func isLoopback(host string) bool {
	address := net.ParseIP(host)
	return host == "localhost" || address != nil && address.IsLoopback()
}
