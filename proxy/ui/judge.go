package ui

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
)

// Judge tells who signed a subject by an artifact of a repository, which is read from
// the source. It may be called concurrently, and has to end with its context; an error
// says that it isn't known.
type Judge func(ctx context.Context, repository string, subject digest.Digest, artifact oci.Descriptor, source *client.Repository) (Judgement, error)

// Judgement is what is known of who signed.
type Judgement struct {
	// Signature says that the artifact is of a type that holds signatures.
	Signature bool `json:"signature"`
	// Verified says that a configured signer made it, about the subject; By are the
	// names of those who did.
	Verified bool     `json:"verified"`
	By       []string `json:"by,omitempty"`
	// Claims are what it says itself of who signed, which proves nothing.
	Claims []string `json:"claims,omitempty"`
	// Reason says for people why it isn't verified.
	Reason string `json:"reason,omitempty"`
}

// Why a signature is not verified.
const (
	noSigners   = "no signers are configured"
	notJudged   = "it could not be judged in time"
	claimsAtMax = 4
)

// judge tells who signed a subject by an item that may hold a signature. What it claims
// is read where nobody judges.
func (v *visit) judge(ctx context.Context, subject digest.Digest, it *item) {
	if !it.maySign() {
		return
	}
	if judge := v.ui.options.Judge; judge != nil {
		judged, err := judge(ctx, v.name, subject, it.descriptor, v.repo)
		if err != nil {
			judged = Judgement{Signature: true, Reason: notJudged}
		}
		if judged.Signature && len(judged.Claims) == 0 {
			// What can't be read as a signature may name somebody all the same.
			judged.Claims = v.claims(ctx, it.descriptor)
		}
		if judged.Signature {
			it.Judgement = &judged
		}
	} else {
		it.Judgement = &Judgement{Signature: true, Claims: v.claims(ctx, it.descriptor), Reason: noSigners}
	}
	if it.Judgement != nil && len(it.Judgement.Claims) > claimsAtMax {
		it.Judgement.Claims = it.Judgement.Claims[:claimsAtMax]
	}
}
