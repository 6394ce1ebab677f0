package rig

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
)

// person is who sits before the issuer's page, and what it says of them.
type person struct {
	user   string
	claims map[string]any
}

// granted is what a code of the issuer stands for.
type granted struct {
	person
	client, redirect, nonce, challenge string
}

// ClientSecret is what clients of an [Issuer] prove themselves by.
const ClientSecret = "issuer-client-s3cret"

// SignsIn says who sits before the issuer's page from now on: whoever is sent there is
// signed in as that user, with more claims. The empty user refuses.
func (i *Issuer) SignsIn(user string, claims map[string]any) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.person = person{user, claims}
}

// authorize is the issuer's page: OpenID Connect Core 1.0, section 3.1.2.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	redirect, err := url.Parse(query.Get("redirect_uri"))
	if err != nil || query.Get("response_type") != "code" || query.Get("code_challenge_method") != "S256" {
		http.Error(w, "not a request for a code with PKCE", http.StatusBadRequest)
		return
	}
	i.mutex.Lock()
	defer i.mutex.Unlock()
	answer := url.Values{"state": {query.Get("state")}, "iss": {i.URL}}
	if i.person.user == "" {
		answer.Set("error", "access_denied")
	} else {
		code := rand.Text()
		answer.Set("code", code)
		i.codes[code] = granted{i.person, query.Get("client_id"), redirect.String(), query.Get("nonce"), query.Get("code_challenge")}
	}
	redirect.RawQuery = answer.Encode()
	http.Redirect(w, r, redirect.String(), http.StatusFound)
}

// exchange gives tokens for a code, once.
func (i *Issuer) exchange(w http.ResponseWriter, r *http.Request) {
	name, secret, basic := r.BasicAuth()
	if !basic {
		name, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	code := r.PostFormValue("code")
	i.mutex.Lock()
	given, known := i.codes[code]
	delete(i.codes, code)
	i.mutex.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	refused := ""
	switch {
	case secret != ClientSecret:
		refused = "invalid_client"
	case !known || given.client != name || given.redirect != r.PostFormValue("redirect_uri") ||
		given.challenge != base64.RawURLEncoding.EncodeToString(sum[:]):
		refused = "invalid_grant"
	}
	w.Header().Set("Content-Type", "application/json")
	if refused != "" {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": refused})
		return
	}
	claims := map[string]any{"aud": name, "nonce": given.nonce}
	for claim, value := range given.claims {
		claims[claim] = value
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 60, "id_token": i.Token("ec", given.user, claims),
	})
}
