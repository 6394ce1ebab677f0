package coverage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/artifact"
	"github.com/backref/backref/coverage"
	"github.com/backref/backref/oci"
)

func noon() time.Time { return time.Date(2026, time.May, 1, 12, 0, 0, 0, time.UTC) }

const expires = "com.github.backref.expires"

// attached returns an artifact of a type that was made some hours ago.
func attached(name, artifactType string, hours int, by coverage.Way) coverage.Artifact {
	return coverage.Artifact{
		Digest: oci.Descriptor{}.Digest, ArtifactType: artifactType, Kind: artifact.KindOf(oci.Descriptor{ArtifactType: artifactType}),
		Made: noon().Add(-time.Duration(hours) * time.Hour), By: by, Annotations: map[string]string{"name": name},
	}
}

func expiring(a coverage.Artifact, at string) coverage.Artifact {
	a.Annotations = map[string]string{expires: at}
	return a
}

const (
	signature = "application/vnd.cncf.notary.signature"
	sbom      = "application/spdx+json"
)

// The best of what is attached makes the state, and the state has a reason.
func TestJudge(t *testing.T) {
	policy := coverage.Policy{MaxAge: 100 * time.Hour, ExpiryAnnotations: coverage.DefaultExpiryAnnotations()}
	fresh, old := attached("fresh", signature, 1, coverage.BySubject), attached("old", signature, 101, coverage.BySubject)
	over, later := expiring(fresh, "2026-05-01T11:59:59Z"), expiring(fresh, "2026-05-02T00:00:00Z")
	undated := fresh
	undated.Made = time.Time{}
	for _, c := range []struct {
		name     string
		require  string
		attached []coverage.Artifact
		want     coverage.State
		counted  int
		reason   string
	}{
		{"nothing", "signature", nil, coverage.Missing, 0, "nothing of this kind"},
		{"of another kind", "signature", []coverage.Artifact{attached("", sbom, 1, coverage.BySubject)}, coverage.Missing, 0, "nothing of this kind"},
		{"fresh", "signature", []coverage.Artifact{fresh}, coverage.Covered, 1, ""},
		{"two", "signature", []coverage.Artifact{fresh, fresh}, coverage.Covered, 2, ""},
		{"old", "signature", []coverage.Artifact{old}, coverage.Outdated, 1, "longer ago than 100h"},
		{"old and fresh", "signature", []coverage.Artifact{old, fresh}, coverage.Covered, 1, ""},
		{"not dated", "signature", []coverage.Artifact{undated}, coverage.Outdated, 1, "not known when"},
		{"expired", "signature", []coverage.Artifact{over}, coverage.Expired, 1, "expired at 2026-05-01T11:59:59Z"},
		{"expired and old", "signature", []coverage.Artifact{over, old}, coverage.Outdated, 1, ""},
		{"expires later", "signature", []coverage.Artifact{later}, coverage.Covered, 1, ""},
		{"expires at no time", "signature", []coverage.Artifact{expiring(fresh, "soon")}, coverage.Covered, 1, ""},
		{"signature of the index", "signature@each", []coverage.Artifact{attached("", signature, 1, coverage.ByIndex)}, coverage.Covered, 1, ""},
		{"SBOM of the index", "sbom@each", []coverage.Artifact{attached("", sbom, 1, coverage.ByIndex)}, coverage.Missing, 0, "only the index"},
		{"by a pattern", "application/vnd.cncf.*", []coverage.Artifact{attached("", signature, 1, coverage.ByTag)}, coverage.Covered, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := policy.Judge(parse(t, c.require), c.attached, noon())
			if got.State != c.want || len(got.Artifacts) != c.counted || !strings.Contains(got.Reason, c.reason) || c.want == coverage.Covered && got.Reason != "" {
				t.Errorf("%+v, want %s by %d: %s", got, c.want, c.counted, c.reason)
			}
		})
	}
}

// Who signed is asked of signatures and attestations alone, and of those that would
// count otherwise.
func TestJudgeSigners(t *testing.T) {
	policy := coverage.Policy{SignedBy: []string{"release"}, MaxAge: 100 * time.Hour}
	fresh, old := attached("", signature, 1, coverage.BySubject), attached("", signature, 101, coverage.BySubject)
	require := parse(t, "signature")
	if policy.Fresh(require, old, noon()) || !policy.Fresh(require, fresh, noon()) {
		t.Error("only what is fresh is to be asked for")
	}
	fresh.Doubt = "signed by another key"
	got := policy.Judge(require, []coverage.Artifact{old, fresh}, noon())
	if got.State != coverage.Unverified || got.Reason != fresh.Doubt {
		t.Errorf("%+v", got)
	}
	fresh.Verified = true
	if got := policy.Judge(require, []coverage.Artifact{fresh}, noon()); got.State != coverage.Covered {
		t.Errorf("%+v", got)
	}
	// An SBOM that is merely attached is nobody's; what has a type is not asked about.
	plain := []coverage.Artifact{attached("", sbom, 1, coverage.BySubject)}
	if got := policy.Judge(parse(t, "sbom"), plain, noon()); got.State != coverage.Unverified {
		t.Errorf("%+v", got)
	}
	if got := policy.Judge(parse(t, sbom), plain, noon()); got.State != coverage.Covered {
		t.Errorf("%+v", got)
	}
}

// Images that came on several pages are one, and are counted once.
func TestMerge(t *testing.T) {
	met := []coverage.Outcome{{Requirement: "signature", State: coverage.Covered}}
	lacks := []coverage.Outcome{{Requirement: "signature", State: coverage.Missing}}
	all := coverage.Merge(
		[]coverage.Image{{Tags: []string{"b"}, Digest: "sha256:1", Requirements: met}},
		[]coverage.Image{{Tags: []string{"a"}, Digest: "sha256:1", Requirements: met}, {Tags: []string{"a"}, Digest: "sha256:2", Index: "sha256:1", Requirements: lacks}},
	)
	if len(all) != 2 || strings.Join(all[0].Tags, " ") != "a b" || all[1].Index != "sha256:1" {
		t.Fatalf("%+v", all)
	}
	summary := coverage.NewSummary([]string{"signature"})
	for _, image := range all {
		summary.Add(image)
	}
	twice := coverage.NewSummary([]string{"signature", "sbom"})
	twice.Include(summary)
	twice.Include(summary)
	if twice.Images != 4 || twice.Covered != 2 || twice.Requirements[0].Of(coverage.Missing) != 2 || twice.Requirements[1].Of(coverage.Missing) != 0 {
		t.Errorf("%+v", twice)
	}
	count := summary.Requirements[0]
	if summary.Images != 2 || summary.Covered != 1 || count.Of(coverage.Covered) != 1 || count.Of(coverage.Missing) != 1 || count.Of(coverage.Expired) != 0 {
		t.Errorf("%+v", summary)
	}
}
