package rig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the tokens of a [TokenServer] say, and what registries expect.
const (
	TokenService = "registry.test"
	TokenIssuer  = "tokens.test"
)

// User is who may sign in to a [TokenServer], and for what.
type User struct {
	Password string
	// Grants are the actions (pull, push, delete, *) by repository. The
	// repository "*" stands for all, "registry:catalog" for the catalog.
	Grants map[string][]string
}

// TokenRequest is a request that a [TokenServer] had.
type TokenRequest struct {
	Method, Path string
	// Query is the query as it came; Scopes are those asked for by query or
	// form.
	Query  string
	Scopes []string
	// User is who signed in; empty for an anonymous or refused client.
	User   string
	Header http.Header
	Status int
}

// TokenServer gives out tokens for Distribution's "auth: token": at /token by
// GET with Basic credentials, and by POST (OAuth 2: password and
// refresh_token).
type TokenServer struct {
	// URL is where it listens; Realm is the URL of its token endpoint.
	URL, Realm string

	t         testing.TB
	key       *ecdsa.PrivateKey
	der       []byte
	bundle    string
	mutex     sync.Mutex
	lifetime  time.Duration
	users     map[string]User
	refreshes map[string]string
	seen      []TokenRequest
}

// NewTokenServer starts one with a key and certificate of its own. Its tokens
// live for a minute; Distribution takes them for another.
func NewTokenServer(t testing.TB) *TokenServer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s := &TokenServer{
		t: t, key: key, der: der, bundle: filepath.Join(t.TempDir(), "token.pem"),
		lifetime: time.Minute, users: map[string]User{}, refreshes: map[string]string{},
	}
	if err := os.WriteFile(s.bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /token", s.serveGet)
	mux.HandleFunc("POST /token", s.servePost)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.URL, s.Realm = server.URL, server.URL+"/token"
	return s
}

// RegistryConfig is what [NewRegistry] needs to take the tokens, with the
// realm that its challenges are to name; empty for the server's own.
func (s *TokenServer) RegistryConfig(realm string) string {
	if realm == "" {
		realm = s.Realm
	}
	return fmt.Sprintf("auth: {token: {realm: %q, service: %s, issuer: %s, rootcertbundle: %s}}\n", realm, TokenService, TokenIssuer, s.bundle)
}

// SetUser adds or changes a user. The name "" stands for those who don't sign
// in. Tokens that were given out stay valid.
func (s *TokenServer) SetUser(name string, user User) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.users[name] = user
}

// RemoveUser removes a user.
func (s *TokenServer) RemoveUser(name string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.users, name)
}

// SetLifetime changes how long later tokens live.
func (s *TokenServer) SetLifetime(lifetime time.Duration) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.lifetime = lifetime
}

// Seen returns the requests since the last call.
func (s *TokenServer) Seen() []TokenRequest {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

// Token returns a token for a user, as the server would give it for the
// scopes, each like "repository:app:pull,push".
func (s *TokenServer) Token(name string, scopes ...string) string {
	s.t.Helper()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.sign(name, scopes)
}

func (s *TokenServer) serveGet(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	query := r.URL.Query()
	scopes := splitScopes(query["scope"])
	name, password, given := r.BasicAuth()
	if given && !s.knows(name, password) {
		s.refuse(w, r, scopes)
		return
	}
	refresh := ""
	if given && query.Get("offline_token") == "true" {
		refresh = s.refresh(name)
	}
	s.grant(w, r, name, scopes, refresh)
}

func (s *TokenServer) servePost(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	scopes := splitScopes([]string{r.PostFormValue("scope")})
	name := r.PostForm.Get("username")
	var refresh string
	switch grant := r.PostForm.Get("grant_type"); grant {
	case "password":
		if !s.knows(name, r.PostForm.Get("password")) {
			s.refuse(w, r, scopes)
			return
		}
		refresh = s.refresh(name)
	case "refresh_token":
		refresh = r.PostForm.Get("refresh_token")
		var known bool
		if name, known = s.refreshes[refresh]; known {
			_, known = s.users[name]
		}
		if !known {
			s.refuse(w, r, scopes)
			return
		}
	default:
		s.note(r, "", scopes, http.StatusBadRequest)
		http.Error(w, fmt.Sprintf(`{"error":"unsupported_grant_type","error_description":%q}`, grant), http.StatusBadRequest)
		return
	}
	s.grant(w, r, name, scopes, refresh)
}

// grant answers with a token.
func (s *TokenServer) grant(w http.ResponseWriter, r *http.Request, name string, scopes []string, refresh string) {
	s.note(r, name, scopes, http.StatusOK)
	token := s.sign(name, scopes)
	answer := map[string]any{
		"token": token, "access_token": token, "scope": strings.Join(scopes, " "),
		"expires_in": int(s.lifetime / time.Second), "issued_at": time.Now().UTC().Format(time.RFC3339),
	}
	if refresh != "" {
		answer["refresh_token"] = refresh
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		s.t.Error(err)
	}
}

func (s *TokenServer) refuse(w http.ResponseWriter, r *http.Request, scopes []string) {
	s.note(r, "", scopes, http.StatusUnauthorized)
	w.Header().Set("Www-Authenticate", `Basic realm="tokens"`)
	http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"wrong user name or password"}]}`, http.StatusUnauthorized)
}

func (s *TokenServer) note(r *http.Request, user string, scopes []string, status int) {
	s.seen = append(s.seen, TokenRequest{r.Method, r.URL.Path, r.URL.RawQuery, scopes, user, r.Header.Clone(), status})
}

func (s *TokenServer) knows(name, password string) bool {
	user, known := s.users[name]
	return known && name != "" && user.Password == password
}

func (s *TokenServer) refresh(name string) string {
	token := rand.Text()
	s.refreshes[token] = name
	return token
}

// splitScopes returns single scopes: one parameter may hold several.
func splitScopes(parameters []string) []string {
	var scopes []string
	for _, parameter := range parameters {
		scopes = append(scopes, strings.Fields(parameter)...)
	}
	return scopes
}

// access is one entry of a token's "access" claim.
type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// allow returns what of a scope a user is granted.
func (u User) allow(scope string) access {
	kind, rest, _ := strings.Cut(scope, ":")
	last := strings.LastIndex(rest, ":")
	if last < 0 {
		return access{Type: kind, Name: rest, Actions: []string{}}
	}
	name, wanted := rest[:last], strings.Split(rest[last+1:], ",")
	granted := slices.Concat(u.Grants[name], u.Grants["*"])
	if kind != "repository" {
		granted = u.Grants[kind+":"+name]
	}
	allowed := access{Type: kind, Name: name, Actions: []string{}}
	for _, action := range wanted {
		if slices.Contains(granted, action) || slices.Contains(granted, "*") {
			allowed.Actions = append(allowed.Actions, action)
		}
	}
	return allowed
}

// sign returns a JSON Web Token, signed by ES256. The certificate in it is
// what both versions of Distribution find the key by.
func (s *TokenServer) sign(name string, scopes []string) string {
	now := time.Now()
	granted := []access{}
	for _, scope := range scopes {
		granted = append(granted, s.users[name].allow(scope))
	}
	part := func(value any) string {
		encoded, err := json.Marshal(value)
		if err != nil {
			s.t.Error(err)
		}
		return base64.RawURLEncoding.EncodeToString(encoded)
	}
	signed := part(map[string]any{"typ": "JWT", "alg": "ES256", "x5c": []string{base64.StdEncoding.EncodeToString(s.der)}}) +
		"." + part(map[string]any{
		"iss": TokenIssuer, "aud": TokenService, "sub": name, "jti": rand.Text(), "access": granted,
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(s.lifetime).Unix(),
	})
	signature, err := signES256(s.key, signed)
	if err != nil {
		s.t.Error(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}
