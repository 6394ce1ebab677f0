package clients

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// node is what backref tree tells of a manifest.
type node struct {
	Digest       digest.Digest
	ArtifactType string
	Legacy       bool
	Tag          string
	Referrers    []node
}

func treeOf(t *testing.T, w workplace, location string) (root node) {
	t.Helper()
	if err := json.Unmarshal([]byte(rig.RunCommandLine(t, w.dir, "tree", "-o", "json", location)), &root); err != nil {
		t.Fatal(err)
	}
	return root
}

// wantLegacy makes sure that a tree has the signature, the attestation and the
// SBOM, and the signature on that, as legacy referrers and nothing else.
func wantLegacy(t *testing.T, root node) {
	t.Helper()
	types := map[string]int{}
	var count func(nodes []node)
	count = func(nodes []node) {
		for _, n := range nodes {
			if !n.Legacy || n.Tag == "" {
				t.Errorf("%s is not legacy", n.Digest)
			}
			types[strings.TrimSuffix(strings.TrimPrefix(n.ArtifactType, "application/vnd.dev.cosign.artifact."), ".v1+json")]++
			count(n.Referrers)
		}
	}
	count(root.Referrers)
	if len(root.Referrers) != 3 || types["sig"] != 2 || types["att"] != 1 || types["sbom"] != 1 {
		t.Errorf("the tree has %v", types)
	}
}

// leave has cosign 2 keep a signature, an attestation and a signed SBOM as it does
// by default.
func (c cosignSession) leave(t *testing.T, ref string) {
	t.Helper()
	signing := []string{"--key", "cosign.key", "--tlog-upload=false", "--yes"}
	c.do(t, "sign", append(signing, ref)...)
	c.do(t, "attest", append(signing, "--predicate", "sbom.json", "--type", "spdxjson", ref)...)
	c.run(t, c.program, "attach", "sbom", "--allow-http-registry", "--sbom", "sbom.json", "--type", "spdx", "--input-format", "json", ref)
	c.do(t, "sign", append(signing, "--attachment", "sbom", ref)...)
}

// verifies runs the verification of cosign 2, and tells whether it went well.
func (c cosignSession) verifies(t *testing.T, command string, args ...string) bool {
	t.Helper()
	args = append([]string{command, "--allow-http-registry", "--key", "cosign.pub", "--insecure-ignore-tlog"}, args...)
	return rig.Try(t, c.dir, c.program, args...).Err == nil
}

// X4: what cosign 2 left at its defaults is shown, and copied as it is to
// registries and layouts.
func TestX4WhatCosign2LeftIsShownAndCopied(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		ref := w.image(t)
		_, sum, _ := strings.Cut(ref, "@")
		c := newCosign(t, w, "cosign2")
		c.leave(t, ref)
		w.wantReferrers(t, ref)
		for _, location := range []string{ref, strings.Replace(ref, w.backref.Host, w.registry.Host, 1)} {
			wantLegacy(t, treeOf(t, w, location))
			if root := rig.RunCommandLine(t, w.dir, "tree", "--no-legacy", location); strings.Contains(root, "cosign") {
				t.Errorf("without them: %s", root)
			}
			drawn := rig.RunCommandLine(t, w.dir, "tree", location)
			if !strings.Contains(drawn, "cosign attestation: SPDX SBOM") || strings.Count(drawn, "  legacy\n") != 4 {
				t.Errorf("the tree:\n%s", drawn)
			}
			listed := rig.RunCommandLine(t, w.dir, "referrers", "--type", "*.sig.v1+json", location)
			if !strings.Contains(listed, "cosign signature (legacy)") || strings.Contains(listed, "SBOM") {
				t.Errorf("the list:\n%s", listed)
			}
		}

		rig.RunCommandLine(t, w.dir, "copy", "--referrers", ref, "oci:layout:v1")
		wantLegacy(t, treeOf(t, w, "oci:layout"))
		for _, copied := range []string{w.copied(t, ref), w.backref.Host + "/back@" + sum} {
			if strings.Contains(copied, "/back@") {
				rig.RunCommandLine(t, w.dir, "copy", "--referrers", "oci:layout", w.backref.Host+"/back:v1")
			}
			wantLegacy(t, treeOf(t, w, copied))
			for _, way := range [][]string{{"verify"}, {"verify", "--attachment", "sbom"}, {"verify-attestation", "--type", "spdxjson"}} {
				if !c.verifies(t, way[0], append(way[1:], copied)...) {
					t.Errorf("%v: %s does not verify", way, copied)
				}
			}
		}
		c.mustNotVerify(t, w.registry.Host+"/copied@"+sum)
	})
}

// X4: what was adopted is listed, and its signatures verify without the old tag.
func TestX4WhatCosign2LeftIsAdopted(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		ref := w.image(t)
		c := newCosign(t, w, "cosign2")
		c.leave(t, ref)
		past := w.copied(t, ref)
		const begin = "application/vnd.dev.cosign.artifact."
		for _, ref := range []string{ref, past} {
			adopt := func(args ...string) (outcomes string) {
				for line := range strings.Lines(rig.RunCommandLine(t, w.dir, append([]string{"adopt", "--format", "{{.outcome}}", ref}, args...)...)) {
					outcomes += line[:1]
				}
				return outcomes
			}
			if got := adopt("--dry-run"); got != "dddd" {
				t.Errorf("the dry run: %s", got)
			}
			if got := adopt(); got != "aaaa" {
				t.Errorf("the first run: %s", got)
			}
			if got := adopt(); got != "pppp" {
				t.Errorf("the second run: %s", got)
			}
		}
		w.wantReferrers(t, ref, begin+"sig", begin+"att", begin+"sbom")
		w.wantNoReferrersTag(t, "app")

		for _, ref := range []string{ref, past} {
			if !c.verifies(t, "verify", ref) || !c.verifies(t, "verify-attestation", "--type", "spdxjson", ref) {
				t.Errorf("%s does not verify by its tags any more", ref)
			}
			w.dropLegacy(t, ref)
			c.wantAdopted(t, ref)
			c.mustNotVerify(t, "--experimental-oci11", ref)
		}
	})
}

// wantAdopted makes sure that docs/clients.md is right of what each cosign finds
// when the old tags are gone.
func (c cosignSession) wantAdopted(t *testing.T, ref string) {
	t.Helper()
	newer := c
	newer.program = "cosign3"
	for _, cosign := range []cosignSession{c, newer} {
		if !cosign.verifies(t, "verify", "--experimental-oci11", ref) {
			t.Errorf("%s does not verify the signature that was adopted", cosign.program)
		}
		if cosign.verifies(t, "verify", "--trusted-root", "root.json", ref) {
			t.Errorf("%s verifies by a tag that was deleted, or without being told", cosign.program)
		}
		if cosign.verifies(t, "verify-attestation", "--trusted-root", "root.json", "--type", "spdxjson", ref) {
			t.Errorf("%s verifies the attestation that was adopted", cosign.program)
		}
	}
	if sbom := c.run(t, c.program, "download", "sbom", "--allow-http-registry", ref); !strings.Contains(sbom, "SPDX-2.3") {
		t.Errorf("the SBOM: %s", sbom)
	}
}

// dropLegacy deletes what cosign 2 keeps of an image, with its tags.
func (w workplace) dropLegacy(t *testing.T, ref string) {
	t.Helper()
	host, rest, _ := strings.Cut(ref, "/")
	repository, _, _ := strings.Cut(rest, "@")
	for _, n := range treeOf(t, w, ref).Referrers {
		if n.Legacy {
			rig.Do(t, http.MethodDelete, "http://"+host+"/v2/"+repository+"/manifests/"+n.Digest.String(), nil).Want(t, http.StatusAccepted)
		}
	}
}
