package main

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/client"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/ui"
)

// judgeForPages tells a page who signed, by the signers that are configured now.
func (s *server) judgeForPages(ctx context.Context, repository string, subject digest.Digest, artifact oci.Descriptor, source *client.Repository) (ui.Judgement, error) {
	verdict, err := s.verifier.Load().Judge(ctx, source, repository, oci.Descriptor{Digest: subject}, artifact)
	judged := ui.Judgement{Signature: verdict.Signature, Verified: verdict.Verified, By: verdict.By, Reason: verdict.Reason}
	for _, claimed := range verdict.Claims {
		if signer := claimed.Signer(); signer != "" {
			judged.Claims = append(judged.Claims, signer)
		}
	}
	return judged, err
}
