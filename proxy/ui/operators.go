package ui

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
)

// Operators are the [Accounts] of who runs the server: there is one, who has the
// operators' token. All fields are required.
type Operators struct {
	// Token returns the operators' token; empty where there is none, and then nobody
	// signs in.
	Token func() string
	// Proven tells whether a request is an operator's without a session.
	Proven func(r *http.Request) bool
	// As marks a context as an operator's.
	As func(ctx context.Context) context.Context
}

const operatorName = "operator"

// Form implements [Accounts].
func (*Operators) Form() Form {
	return Form{TokenOnly: true, Hint: "The token of admin.tokenFile."}
}

// Check implements [Accounts]. Hashes are compared, so that the time it takes tells
// neither the token nor its length.
func (o *Operators) Check(_ *http.Request, _, given string) (Account, error) {
	token := o.Token()
	got, want := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	if token == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return Account{}, ErrWrong
	}
	return Account{Name: operatorName, Proof: proofOf(token)}, nil
}

// Viewer implements [Accounts]. A session ends with the token that it began by.
func (o *Operators) Viewer(r *http.Request, account *Account) (Viewer, error) {
	token := o.Token()
	began := account != nil && token != "" && subtle.ConstantTimeCompare([]byte(account.Proof), []byte(proofOf(token))) == 1
	if !began && !o.Proven(r) {
		return Viewer{}, ErrSignIn
	}
	return Viewer{Name: operatorName, As: o.As}, nil
}

// proofOf returns what tells tokens apart and no token can be told from but by trying:
// it is kept sealed.
func proofOf(token string) string {
	mac := hmac.New(sha256.New, []byte(token))
	_, _ = mac.Write([]byte("backref web page: operator"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
