package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/trust"
)

// judgedReferrer is a referrer with what it claims of who signed, and what of it is verified.
type judgedReferrer struct {
	oci.Descriptor
	trust.Verdict
	// Error says why nothing is known of it; empty where it was judged.
	Error string `json:"error,omitempty"`
}

func newVerify(environ []string) *cobra.Command {
	var signers []string
	cmd := &cobra.Command{
		Use:   "verify REF",
		Short: "Say of each signature of an image who claims to have signed, and whether that is verified",
		Long: "Judge what refers to a manifest by verify.signers of the configuration: who is claimed\n" +
			"to have signed it, and whether one of these signers did, with the reason where not.\n" +
			"Nothing but the registry is asked. It fails where no signature is verified.",
		Example: "  backref verify localhost:8080/app:v1 --config /etc/backref/backref.yaml\n" +
			"  backref verify --signed-by release -o json localhost:8080/app:v1 --config backref.yaml",
		Args: arguments("REF"),
	}
	access, out, legacy := addAccess(cmd, ""), addOutput(cmd), addLegacy(cmd)
	settings := addSettings(cmd, environ, noShortcuts)
	cmd.Flags().StringArrayVar(&signers, "signed-by", nil, "only the signer of this `name` counts; repeatable")
	cmd.ValidArgsFunction = completeReferences(access, 1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		verifier, err := readVerifier(settings, signers)
		if err != nil {
			return err
		}
		repository, ref, err := access.repository(args[0])
		if err != nil {
			return err
		}
		subject, found, err := judge(cmd.Context(), repository, ref, verifier, index.Query{Legacy: legacy()})
		if err != nil {
			return err
		}
		if err := out.judged(found); err != nil {
			return err
		}
		return enough(found, subject, signers)
	}
	return cmd
}

// readVerifier reads the signers of the configuration that flags make, which may
// name no registry.
func readVerifier(s *settings, signers []string) (*trust.Verifier, error) {
	sources, err := s.sources()
	if err != nil {
		return nil, err
	}
	sources.Optional = []string{keyUpstreamURL}
	cfg, err := config.Load(sources)
	if err != nil {
		return nil, err
	}
	verifier, err := options.Verifier(cfg.Verify)
	if err != nil {
		return nil, err
	}
	for _, name := range signers {
		if !verifier.Has(name) {
			return nil, usageError{fmt.Errorf("--signed-by %s: verify.signers has no signer of this name", name)}
		}
	}
	return verifier, nil
}

// judge reads what refers to a manifest, and judges each.
func judge(ctx context.Context, repository *client.Repository, ref client.Reference, by *trust.Verifier, query index.Query) (digest.Digest, []judgedReferrer, error) {
	m, err := repository.Manifest(ctx, ref.Reference())
	if err != nil {
		return "", nil, err
	}
	listed, err := repository.Referrers(ctx, m.Digest, query)
	if err != nil {
		return "", nil, err
	}
	found := make([]judgedReferrer, 0, len(listed))
	for _, d := range listed {
		verdict, err := by.Judge(ctx, repository, ref.Repository, oci.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: m.Size}, d)
		one := judgedReferrer{Descriptor: d, Verdict: verdict}
		if err != nil {
			one.Error = err.Error()
		}
		found = append(found, one)
	}
	return m.Digest, found, nil
}

// judged prints what was found of each referrer.
func (o *output) judged(found []judgedReferrer) error {
	digests := make([]string, len(found))
	for i, one := range found {
		digests[i] = one.Digest.String()
	}
	return o.print(found, digests, func(s *sheet) {
		rows := make([][]string, len(found))
		for i, one := range found {
			rows[i] = []string{s.digest(one.Digest), describeListed(one.Descriptor), one.claimedText(), one.verifiedText()}
		}
		s.table([]column{{name: "DIGEST"}, {name: "WHAT", cut: true}, {name: "CLAIMED"}, {name: "VERIFIED"}}, rows)
	})
}

// claimedText names those who are said to have signed.
func (j judgedReferrer) claimedText() string {
	var said []string
	for _, claimed := range j.Claims {
		if who := claimed.Signer(); who != "" {
			said = append(said, who)
		}
	}
	return strings.Join(said, ", ")
}

// verifiedText names those who are shown to have signed, or says why nobody is.
func (j judgedReferrer) verifiedText() string {
	switch {
	case j.Error != "":
		return "not known: " + j.Error
	case !j.Signature:
		return "no signature"
	case j.Verified:
		return "by " + strings.Join(j.By, ", ")
	default:
		return "no: " + j.Reason
	}
}

// enough fails where nothing is verified, by these signers where some are named.
func enough(found []judgedReferrer, subject digest.Digest, signers []string) error {
	var unknown error
	for _, one := range found {
		if one.SignedBy(signers...) {
			return nil
		}
		if one.Error != "" {
			unknown = errors.Join(unknown, errors.New(one.Error))
		}
	}
	whose := "a signer of verify.signers"
	if len(signers) > 0 {
		whose = strings.Join(signers, " or ")
	}
	return errors.Join(fmt.Errorf("nothing that refers to %s is verified to be signed by %s", subject, whose), unknown)
}
