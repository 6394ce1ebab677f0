package rig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Issuer is an OpenID Connect issuer on loopback, with a key of RSA and one of
// an elliptic curve.
type Issuer struct {
	// URL is the issuer as its tokens name it.
	URL string
	// Asked counts how often its keys were fetched.
	Asked atomic.Int32

	t     testing.TB
	mutex sync.Mutex
	down  bool
	keys  map[string]crypto.Signer
	// person sits before its page, and codes are those that it gave.
	person person
	codes  map[string]granted
}

// NewIssuer starts an issuer with the keys "rsa" and "ec".
func NewIssuer(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{t: t, codes: map[string]granted{}}
	i.Rotate()
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.answer(w, map[string]any{
			"issuer": i.URL, "jwks_uri": i.URL + "/keys", "authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token",
			"id_token_signing_alg_values_supported": []string{"RS256", "ES256"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.Asked.Add(1)
		i.answer(w, map[string]any{"keys": i.published()})
	})
	mux.HandleFunc("GET /auth", i.authorize)
	mux.HandleFunc("POST /token", i.exchange)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// Rotate replaces the keys.
func (i *Issuer) Rotate() {
	i.t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		i.t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.keys = map[string]crypto.Signer{"rsa": rsaKey, "ec": ecKey}
}

// Down has the issuer fail from now on, or no more.
func (i *Issuer) Down(down bool) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.down = down
}

func (i *Issuer) answer(w http.ResponseWriter, document any) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if i.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document)
}

func (i *Issuer) published() []map[string]string {
	rsaKey, ecKey := i.Key("rsa").Public().(*rsa.PublicKey), i.Key("ec").Public().(*ecdsa.PublicKey)
	point, err := ecKey.Bytes()
	if err != nil {
		i.t.Error(err)
		return nil
	}
	e := []byte{byte(rsaKey.E >> 16), byte(rsaKey.E >> 8), byte(rsaKey.E)}
	return []map[string]string{
		{"kid": i.id("rsa"), "kty": "RSA", "alg": "RS256", "use": "sig", "n": encode(rsaKey.N.Bytes()), "e": encode(e)},
		{"kid": i.id("ec"), "kty": "EC", "alg": "ES256", "use": "sig", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])},
	}
}

// Key returns one of the keys.
func (i *Issuer) Key(name string) crypto.Signer {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return i.keys[name]
}

// id names a key after itself, so that a new one has a new name.
func (i *Issuer) id(name string) string {
	switch public := i.Key(name).Public().(type) {
	case *rsa.PublicKey:
		return name + encode(public.N.Bytes()[:6])
	case *ecdsa.PublicKey:
		point, _ := public.Bytes()
		return name + encode(point[1:7])
	default:
		return name
	}
}

// Token returns a token for the audience "backref" of a user, signed with the
// key "rsa" or "ec". claims are added, or take the place of what is there; one
// that is nil is left out.
func (i *Issuer) Token(key, user string, claims map[string]any) string {
	i.t.Helper()
	now := time.Now()
	all := map[string]any{
		"iss": i.URL, "sub": user, "aud": "backref", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	algorithm := map[string]string{"rsa": "RS256", "ec": "ES256"}[key]
	return i.Sign(key, map[string]any{"alg": algorithm, "kid": i.id(key), "typ": "JWT"}, all)
}

// Sign returns a token with the header and claims given.
func (i *Issuer) Sign(key string, header, claims map[string]any) string {
	i.t.Helper()
	head, err := json.Marshal(header)
	if err != nil {
		i.t.Fatal(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		i.t.Fatal(err)
	}
	signed := encode(head) + "." + encode(body)
	hash := crypto.SHA256.New()
	_, _ = hash.Write([]byte(signed))
	var signature []byte
	switch private := i.Key(key).(type) {
	case *ecdsa.PrivateKey:
		// A token has the two numbers side by side (RFC 7518, section 3.4).
		r, s, signErr := ecdsa.Sign(rand.Reader, private, hash.Sum(nil))
		if err = signErr; err == nil {
			signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	default:
		signature, err = private.Sign(rand.Reader, hash.Sum(nil), crypto.SHA256)
	}
	if err != nil {
		i.t.Fatal(err)
	}
	return signed + "." + encode(signature)
}

func encode(b []byte) string {
	return base64.RawURLEncoding.EncodeToString(b)
}
