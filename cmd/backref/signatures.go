package main

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/registry"
	"github.com/backref/backref/trust"
)

// signatures tells the registry who signed, by the verifier of the moment.
type signatures struct {
	verifier *atomic.Pointer[trust.Verifier]
}

// Signer implements [registry.Signatures].
func (s signatures) Signer(name string) bool { return s.verifier.Load().Has(name) }

// SignedBy implements [registry.Signatures]. What can't be read, though the registry
// was asked, is not shown to be signed.
func (s signatures) SignedBy(ctx context.Context, reader *registry.Reader, repository string, names []string, subject, artifact oci.Descriptor) (registry.Signed, error) {
	verdict, err := s.verifier.Load().Judge(ctx, reader.Contents(repository), repository, subject, artifact)
	switch {
	case err == nil:
	case errors.Is(err, trust.ErrContent), registry.OutcomeOf(err) != registry.OutcomeUnknown:
		return registry.Signed{Reason: "it can't be read who signed it: " + err.Error()}, nil
	default:
		return registry.Signed{}, err
	}
	signed := registry.Signed{Reason: verdict.Reason}
	for _, proven := range verdict.Proven {
		switch {
		case !slices.Contains(names, proven.By):
		case proven.Predicate == "":
			signed.Subject = true
		default:
			signed.Predicates = append(signed.Predicates, proven.Predicate)
		}
	}
	if verdict.Verified && !verdict.SignedBy(names...) {
		signed.Reason = "signed by another signer: " + verdict.By[0]
	}
	return signed, nil
}
