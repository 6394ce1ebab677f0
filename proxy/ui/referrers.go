package ui

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// The bounds of what is shown of referrers: one page of those of a manifest, the
// beginning of theirs, and of those of the images around it. All else has links.
const (
	referrersPage   = 20
	referrersNested = 3
)

// referrerList is one page of the referrers of a manifest.
type referrerList struct {
	Subject digest.Digest `json:"subject"`
	// About says what the subject is to the page's manifest.
	About  string      `json:"about,omitempty"`
	Type   string      `json:"type,omitempty"`
	Sort   string      `json:"sort,omitempty"`
	Groups []itemGroup `json:"groups"`
	// Count is how many are on the page.
	Count int `json:"count"`
	// More says that there are others behind, Next where.
	More bool   `json:"more,omitempty"`
	Next string `json:"next,omitempty"`
	// Trouble says why there is no list.
	Trouble string   `json:"trouble,omitempty"`
	Types   []string `json:"-"`

	query index.Query
}

// itemGroup is referrers of one sort.
type itemGroup struct {
	Name  string  `json:"name"`
	Items []*item `json:"items"`
}

// item is a referrer.
type item struct {
	Digest       digest.Digest `json:"digest"`
	Kind         string        `json:"kind"`
	MediaType    string        `json:"mediaType"`
	ArtifactType string        `json:"artifactType,omitempty"`
	Size         int64         `json:"size"`
	Created      *time.Time    `json:"created,omitempty"`
	Annotations  pairs         `json:"annotations"`
	// Legacy says that Tag alone makes it a referrer, as cosign 2 has it.
	Legacy bool   `json:"legacy,omitempty"`
	Tag    string `json:"tag,omitempty"`
	// Judgement is nil for what is no signature.
	Judgement *Judgement `json:"judgement,omitempty"`
	// Referrers are its first ones; MoreReferrers says that there are others.
	Referrers     []*item `json:"referrers,omitempty"`
	MoreReferrers bool    `json:"moreReferrers,omitempty"`

	descriptor oci.Descriptor
}

func newItem(r client.Referrer) *item {
	return &item{
		Digest: r.Digest, Kind: client.Describe(r.Descriptor), MediaType: r.MediaType, ArtifactType: r.ArtifactType, Size: r.Size,
		Created: r.Created, Annotations: pairsOf(r.Annotations, shownOfItem), Legacy: r.Legacy, Tag: r.Tag, descriptor: r.Descriptor,
	}
}

// The sorts of referrers, in the order in which they are shown.
const (
	groupSignatures   = "Signatures"
	groupSBOMs        = "SBOMs"
	groupAttestations = "Attestations"
	groupReports      = "Reports"
	groupOther        = "Other"
)

// groupOf returns which sort an artifact is of, by how it is described.
func groupOf(d oci.Descriptor) string {
	kind := client.Describe(d)
	for _, sort := range []struct{ in, group string }{
		{"SBOM", groupSBOMs}, {"signature", groupSignatures}, {"OpenVEX", groupReports}, {"report", groupReports},
		{"vulnerability scan", groupReports}, {"attestation", groupAttestations}, {"provenance", groupAttestations},
	} {
		if strings.Contains(kind, sort.in) && kind != d.ArtifactType {
			return sort.group
		}
	}
	switch {
	case kind == "sigstore bundle":
		return groupSignatures
	case strings.HasPrefix(kind, "sigstore bundle"):
		return groupAttestations
	default:
		return groupOther
	}
}

// maySign reports whether an artifact may be of a type that holds signatures.
func (it *item) maySign() bool {
	for _, by := range []string{"cosign signature", "cosign attestation", "notation signature", "sigstore bundle"} {
		if strings.HasPrefix(it.Kind, by) {
			return true
		}
	}
	return false
}

// newReferrerList reads what the viewer wants to see of the referrers of the page's
// manifest.
func (v *visit) newReferrerList(subject digest.Digest) (*referrerList, error) {
	asked := v.request.URL.Query()
	list := &referrerList{Subject: subject, Type: strings.TrimSpace(asked.Get("type")), Sort: cmp.Or(asked.Get("sort"), "-created"), Types: client.KnownTypes()}
	var err error
	list.query, err = queryOf(list.Type, list.Sort)
	list.query.Legacy = true
	return list, err
}

// readReferrers reads a page of referrers, with the beginning of theirs, and who
// signed.
func (v *visit) readReferrers(ctx context.Context, list *referrerList, after string) {
	items, next, err := v.items(ctx, list.Subject, list.query, client.Window{Limit: referrersPage, After: after})
	if err != nil {
		list.Trouble = failureOf(err).Message
		return
	}
	list.fill(items)
	list.More, list.Next = next != "", nextPage(v.request.URL.Query(), next)
	v.deepen(ctx, list.Subject, items)
}

// items reads a page of referrers.
func (v *visit) items(ctx context.Context, subject digest.Digest, query index.Query, w client.Window) (items []*item, next string, err error) {
	found, next, err := v.repo.ReferrerWindow(ctx, subject, query, w)
	for _, r := range found {
		items = append(items, newItem(r))
	}
	return items, next, err
}

// fill puts items into groups, in which they keep their order.
func (l *referrerList) fill(items []*item) {
	l.Count, l.Groups = len(items), []itemGroup{}
	for _, name := range []string{groupSignatures, groupSBOMs, groupAttestations, groupReports, groupOther} {
		group := itemGroup{Name: name}
		for _, it := range items {
			if groupOf(it.descriptor) == name {
				group.Items = append(group.Items, it)
			}
		}
		if len(group.Items) > 0 {
			l.Groups = append(l.Groups, group)
		}
	}
}

// deepen adds to items the beginning of their own referrers, and who signed. What
// can't be had in time is left out.
func (v *visit) deepen(ctx context.Context, subject digest.Digest, items []*item) {
	ctx, cancel := context.WithTimeout(ctx, detailTime)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, it := range items {
		group.Go(func() error {
			v.judge(ctx, subject, it)
			nested, next, err := v.items(ctx, it.Digest, index.Query{}, client.Window{Limit: referrersNested})
			if err != nil {
				return nil //nolint:nilerr // The link to its page leads there.
			}
			for _, below := range nested {
				v.judge(ctx, it.Digest, below)
			}
			it.Referrers, it.MoreReferrers = nested, next != ""
			return nil
		})
	}
	_ = group.Wait()
}
