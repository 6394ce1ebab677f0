package maintenance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/test/rig"
)

// The artifact types that the rules of these tests are about.
const (
	typeSignature = "application/vnd.example.signature"
	typeSBOM      = "application/vnd.example.sbom+json"
	typeScan      = "application/vnd.example.scan"
	typeReport    = "application/vnd.example.report"
)

// retentionRules are the rules of these tests.
const retentionRules = `retention.rules=[
	{name: orphans, repositories: ["orphans/**"], subjectGoneFor: 50ms},
	{name: sboms, repositories: ["newest"], artifactTypes: ["*sbom*"], keep: {newest: 2}},
	{name: scans, repositories: ["ranges"], artifactTypes: ["application/vnd.example.scan"], annotations: ["org.opencontainers.image.created<now-720h"], keep: {none: true}},
	{name: versions, repositories: ["ranges"], annotations: ["tool<v1.10.0"], keep: {none: true}},
	{name: numbers, repositories: ["ranges"], annotations: ["score<=5"], keep: {none: true}},
	{name: gold, repositories: ["ranges"], annotations: ["gold=yes"], keep: {all: true}},
	{name: used, repositories: ["inuse"], artifactTypes: ["application/vnd.example.signature"], keep: {newest: 1}},
	{name: unused, repositories: ["inuse"], subjectGoneFor: 50ms}]`

// retaining are the settings of a backref that carries out these rules.
func retaining(more ...string) []string {
	return append([]string{"--set", retentionRules, "--set", "retention.rate=1000", "--set", "reconcile.verifyInterval=0"}, append(quick, more...)...)
}

// artifact returns an artifact with annotations.
func artifact(artifactType, name string, subject rig.Manifest, annotations ...string) rig.Manifest {
	m := rig.Artifact(artifactType, name, subject.Descriptor())
	for i := 0; i < len(annotations); i += 2 {
		m.Annotations[annotations[i]] = annotations[i+1]
	}
	return m
}

// push pushes a manifest by digest and returns it.
func push(t *testing.T, base, repository string, m rig.Manifest) rig.Manifest {
	t.Helper()
	rig.Push(t, base, repository, "", m).Want(t, http.StatusCreated)
	return m
}

// decided are the decisions of a run, and what came of it.
type decided struct {
	of     map[digest.Digest]reconcile.Retained
	report reconcile.RetentionReport
	order  []digest.Digest
	failed string
}

// retain has the rules carried out in a repository, which has to succeed: by the admin
// API, as the command does.
func retain(t *testing.T, b *rig.Backref, options reconcile.RetainOptions) decided {
	t.Helper()
	body, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	answer := rig.Do(t, http.MethodPost, b.AdminURL+"/admin/retain", body).Want(t, http.StatusOK)
	d := readDecided(t, string(answer.Body))
	if d.failed != "" {
		t.Fatalf("retain %+v: %s", options, d.failed)
	}
	return d
}

// in are the options of a run in one repository.
func in(repository string) reconcile.RetainOptions {
	return reconcile.RetainOptions{Repositories: []string{repository}}
}

// dry are the options of a dry run in one repository.
func dry(repository string) reconcile.RetainOptions {
	return reconcile.RetainOptions{Repositories: []string{repository}, DryRun: true}
}

func readDecided(t *testing.T, output string) decided {
	t.Helper()
	d := decided{of: map[digest.Digest]reconcile.Retained{}}
	for line := range strings.Lines(output) {
		var read reconcile.Line
		if err := json.Unmarshal([]byte(line), &read); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if read.Retained != nil {
			d.of[read.Retained.Digest] = *read.Retained
			d.order = append(d.order, read.Retained.Digest)
		}
		if read.Retention != nil {
			d.report, d.failed = *read.Retention, read.Error
		}
	}
	return d
}

// want makes sure of a decision and of its rule.
func (d decided) want(t *testing.T, what string, m rig.Manifest, decision, rule string) {
	t.Helper()
	if got := d.of[m.Digest()]; got.Decision != decision || got.Rule != rule {
		t.Errorf("%s: decided %q by rule %q, want %q by %q: %+v", what, got.Decision, got.Rule, decision, rule, got)
	}
}

// has makes sure that the registry has manifests, or has not.
func has(t *testing.T, base, repository string, want bool, manifests ...rig.Manifest) {
	t.Helper()
	for _, m := range manifests {
		got := rig.Do(t, http.MethodHead, base+"/v2/"+repository+"/manifests/"+m.Digest().String(), nil, "Accept", m.MediaType).Status == http.StatusOK
		if got != want {
			t.Errorf("%s: the registry has %s (%s): %t", repository, m.Digest(), m.ArtifactType, got)
		}
	}
}

// eachStore runs a test against every version of the registry with the index in a
// file, and once with it in a database.
func eachStore(t *testing.T, test func(t *testing.T, registry *rig.Registry, backref *rig.Backref)) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		t.Parallel()
		registry := rig.NewRegistry(t, version)
		test(t, registry, rig.NewBackref(t, registry.URL, retaining()...))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		registry := rig.NewRegistry(t, rig.Distribution3)
		test(t, registry, rig.NewReplica(t, registry.URL, rig.NewPostgres(t, false), retaining()...))
	})
}

// Rules of retention by the real program and registries, each in a repository of its
// own.
func TestRetention(t *testing.T) {
	eachStore(t, func(t *testing.T, registry *rig.Registry, backref *rig.Backref) {
		t.Run("in use", func(t *testing.T) { signaturesInUseStay(t, registry, backref) })
		t.Run("orphans", func(t *testing.T) { orphansGo(t, registry, backref) })
		t.Run("newest", func(t *testing.T) { newestStay(t, registry, backref) })
		t.Run("ranges", func(t *testing.T) { rangesGo(t, registry, backref) })
	})
}

// Cleanups that look at tags alone sweep what is signed in use: signatures have no
// tag that a user knows, and platform images have none at all. Here nothing of that
// goes, but for the older signature of one that was signed twice.
func signaturesInUseStay(t *testing.T, registry *rig.Registry, backref *rig.Backref) {
	rig.PushBlob(t, backref.URL, "inuse", rig.Empty)
	amd64, arm64, single := rig.Image("amd64"), rig.Image("arm64"), rig.Image("single")
	rig.Push(t, backref.URL, "inuse", "v1", single).Want(t, http.StatusCreated)
	push(t, backref.URL, "inuse", amd64)
	push(t, backref.URL, "inuse", arm64)
	list := rig.Index(amd64.Descriptor(), arm64.Descriptor())
	rig.Push(t, backref.URL, "inuse", "v2", list).Want(t, http.StatusCreated)
	var signatures []rig.Manifest
	for i, image := range []rig.Manifest{single, amd64, arm64, list} {
		signatures = append(signatures, push(t, backref.URL, "inuse", artifact(typeSignature, fmt.Sprint(i), image)))
	}
	older := push(t, backref.URL, "inuse", artifact(typeSignature, "again", amd64, "org.opencontainers.image.created", "2020-01-01T00:00:00Z"))
	d := retain(t, backref, in("inuse"))
	for _, signature := range signatures {
		d.want(t, "signature of an image in use", signature, reconcile.RetainedKept, "used")
	}
	d.want(t, "older signature", older, reconcile.RetainedRemoved, "used")
	has(t, registry.URL, "inuse", true, append(signatures, single, amd64, arm64, list)...)
	has(t, registry.URL, "inuse", false, older)
	wantListed(t, backref, "inuse", amd64.Digest(), 1)
	// A platform image that only its index knows of is no orphan's subject, even where
	// the registry has lost it.
	rig.Do(t, http.MethodDelete, registry.URL+"/v2/inuse/manifests/"+arm64.Digest().String(), nil)
	retain(t, backref, in("inuse"))
	retain(t, backref, in("inuse"))
	has(t, registry.URL, "inuse", true, signatures...)
}

// What referred to an image that is gone is collected, however it went, and with what
// refers to that; what a tag or an index holds stays.
func orphansGo(t *testing.T, registry *rig.Registry, backref *rig.Backref) {
	for _, past := range []bool{false, true} {
		repository := map[bool]string{false: "orphans/through", true: "orphans/past"}[past]
		image := prepare(t, backref.URL, repository)
		sbom := push(t, backref.URL, repository, artifact(typeSBOM, "sbom", image))
		signature := push(t, backref.URL, repository, artifact(typeSignature, "of the sbom", sbom))
		tagged := artifact(typeScan, "tagged", image)
		rig.Push(t, backref.URL, repository, "scan", tagged).Want(t, http.StatusCreated)
		listed := push(t, backref.URL, repository, artifact(typeReport, "listed", image))
		push(t, backref.URL, repository, rig.Index(listed.Descriptor(), image.Descriptor()))
		other := rig.Image("other")
		rig.Push(t, backref.URL, repository, "other", other).Want(t, http.StatusCreated)
		stays := push(t, backref.URL, repository, artifact(typeSBOM, "stays", other))
		has(t, registry.URL, repository, true, sbom, signature, tagged, listed, stays)
		if d := retain(t, backref, dry(repository)); d.report.Going != 0 {
			t.Errorf("%s: with the image there goes %+v", repository, d)
		}
		from := map[bool]string{false: backref.URL, true: registry.URL}[past]
		rig.Do(t, http.MethodDelete, from+"/v2/"+repository+"/manifests/"+image.Digest().String(), nil).Want(t, http.StatusAccepted)
		var d decided
		index := rig.Index(listed.Descriptor(), image.Descriptor())
		// The index holds its entries, and shelters the referrers of the image that it
		// lists, until it is gone too.
		rig.Do(t, http.MethodDelete, from+"/v2/"+repository+"/manifests/"+index.Digest().String(), nil).Want(t, http.StatusAccepted)
		rig.Eventually(t, "the referrers are known to be orphans", func() bool {
			d = retain(t, backref, in(repository))
			return d.report.Removed > 0
		})
		d.want(t, "sbom", sbom, reconcile.RetainedRemoved, "orphans")
		d.want(t, "its signature", signature, reconcile.RetainedRemoved, "orphans")
		d.want(t, "tagged", tagged, reconcile.RetainedKept, "")
		if slices.Index(d.order, signature.Digest()) > slices.Index(d.order, sbom.Digest()) {
			t.Errorf("%s: the sbom went before its signature", repository)
		}
		has(t, registry.URL, repository, false, sbom, signature)
		has(t, registry.URL, repository, true, tagged, stays, other)
	}
}

// The newest of a subject and type stay. A signature on an SBOM goes with the SBOM; one
// that a tag names keeps its SBOM.
func newestStay(t *testing.T, registry *rig.Registry, backref *rig.Backref) {
	image := prepare(t, backref.URL, "newest")
	var sboms, signatures []rig.Manifest
	for i := range 5 {
		made := time.Date(2026, time.January, 1+i, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
		sboms = append(sboms, push(t, backref.URL, "newest", artifact(typeSBOM, fmt.Sprint(i), image, "org.opencontainers.image.created", made)))
		signatures = append(signatures, artifact(typeSignature, fmt.Sprint(i), sboms[i]))
		if i == 0 {
			rig.Push(t, backref.URL, "newest", "first-signature", signatures[i]).Want(t, http.StatusCreated)
		} else {
			push(t, backref.URL, "newest", signatures[i])
		}
	}
	dry := readDecided(t, backref.Run(t, "retain", "newest", "--dry-run"))
	has(t, registry.URL, "newest", true, append(sboms, signatures...)...)
	for i, m := range sboms {
		switch {
		case i == 0:
			dry.want(t, "subject of a tagged signature", m, reconcile.RetainedKept, "")
		case i < 3:
			dry.want(t, "old", m, reconcile.RetainedGoing, "sboms")
			dry.want(t, "signature of an old one", signatures[i], reconcile.RetainedGoing, "sboms")
		default:
			dry.want(t, "new", m, reconcile.RetainedKept, "sboms")
		}
	}
	if dry.report.Going != 4 || !dry.report.DryRun || dry.report.Removed != 0 {
		t.Errorf("dry run: %+v", dry.report)
	}
	if table := backref.Run(t, "retain", "newest", "--dry-run", "-o", "table"); !strings.Contains(table, "it is not among the newest 2 of its subject and type") ||
		!strings.Contains(table, "BECAUSE") || !strings.Contains(table, "4 go; nothing was deleted") {
		t.Errorf("table:\n%s", table)
	}
	if d := retain(t, backref, in("newest")); d.report.Removed != 4 || d.report.Failed != 0 || d.report.Spared != 0 {
		t.Errorf("run: %+v", d)
	}
	has(t, registry.URL, "newest", false, sboms[1], sboms[2], signatures[1], signatures[2])
	has(t, registry.URL, "newest", true, sboms[0], sboms[3], sboms[4], signatures[0], signatures[3], signatures[4])
	wantListed(t, backref, "newest", image.Digest(), 3)
	if d := retain(t, backref, in("newest")); d.report.Going != 0 {
		t.Errorf("once more goes %+v", d)
	}
	// The newest is deleted past backref, whose index has it still: what is left of the
	// two newest takes its place, and nothing goes that should stay.
	rig.Do(t, http.MethodDelete, registry.URL+"/v2/newest/manifests/"+sboms[4].Digest().String(), nil).Want(t, http.StatusAccepted)
	fresh := push(t, backref.URL, "newest", artifact(typeSBOM, "fresh", image))
	retain(t, backref, in("newest"))
	has(t, registry.URL, "newest", true, fresh, sboms[3])
}

// Rules by ranges of time, versions and numbers, and one that keeps what others remove.
func rangesGo(t *testing.T, registry *rig.Registry, backref *rig.Backref) {
	image := prepare(t, backref.URL, "ranges")
	at := func(ago time.Duration) string { return time.Now().Add(-ago).UTC().Format(time.RFC3339) }
	goes := map[string]rig.Manifest{
		"scans":    artifact(typeScan, "old", image, "org.opencontainers.image.created", at(721*time.Hour)),
		"versions": artifact(typeReport, "old", image, "tool", "v1.9.0"),
		"numbers":  artifact(typeReport, "low", image, "score", "5.0"),
	}
	stays := []rig.Manifest{
		artifact(typeScan, "young", image, "org.opencontainers.image.created", at(719*time.Hour)),
		artifact(typeReport, "old, of another type", image, "org.opencontainers.image.created", at(721*time.Hour)),
		artifact(typeReport, "new", image, "tool", "v1.10.0"),
		artifact(typeReport, "high", image, "score", "10"),
		artifact(typeReport, "no number", image, "score", "five"),
	}
	gold := artifact(typeReport, "gold", image, "score", "1", "gold", "yes")
	for _, m := range append(slices.Clone(stays), gold, goes["scans"], goes["versions"], goes["numbers"]) {
		push(t, backref.URL, "ranges", m)
	}
	one := retain(t, backref, reconcile.RetainOptions{Repositories: []string{"ranges"}, Rule: "scans"})
	one.want(t, "by one rule", goes["scans"], reconcile.RetainedRemoved, "scans")
	if one.report.Removed != 1 {
		t.Errorf("by one rule: %+v", one)
	}
	d := retain(t, backref, in("ranges"))
	for _, rule := range []string{"versions", "numbers"} {
		d.want(t, rule, goes[rule], reconcile.RetainedRemoved, rule)
	}
	d.want(t, "gold", gold, reconcile.RetainedKept, "gold")
	has(t, registry.URL, "ranges", true, append(stays, gold)...)
	has(t, registry.URL, "ranges", false, goes["scans"], goes["versions"], goes["numbers"])
	if c := backref.Try(t, "retain", "--rule", "nonesuch"); c.Err == nil || !strings.Contains(c.Stderr, `there is no rule "nonesuch"`) {
		t.Errorf("an unknown rule: %v %s", c.Err, c.Stderr)
	}
}
