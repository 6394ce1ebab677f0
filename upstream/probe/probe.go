package probe

import (
	"context"
	"time"

	"github.com/backref/backref/upstream"
)

// Options say what is asked, and how.
type Options struct {
	// Registry is what is asked, without shims.
	Registry *upstream.Registry
	// Name is how the registry is called in the report: its URL, without a password.
	Name string
	// Repository is the one that is looked at; empty for the first of the catalog that
	// has a tag.
	Repository string
	// Write is the repository that is written to and looked at; empty where nothing is
	// written.
	Write string
	// MountFrom is a further repository that may be written to, from which a blob is
	// mounted into Write; empty for none.
	MountFrom string
	// Nonce makes what is written differ from all else that there is; it becomes part
	// of tags. It is needed with Write.
	Nonce string
	// Timeout bounds one question; 0 is ten seconds.
	Timeout time.Duration
	// Now is when it is.
	Now time.Time
}

const defaultTimeout = 10 * time.Second

// probe is one run.
type probe struct {
	Options
	registry *upstream.Registry
	timeout  time.Duration
	// listed is what the registry said of its catalog.
	listed exchange
	// sample is what is looked at, scene what was written for it; nil where nothing
	// was.
	sample sample
	scene  *scene
}

// check is one thing that is looked at.
type check struct {
	name string
	look func(ctx context.Context) Finding
}

// Run asks a registry for all that there is to know of it. What it writes it removes
// again, also where ctx ends before.
func Run(ctx context.Context, o Options) *Report {
	p := &probe{Options: o, registry: o.Registry, timeout: o.Timeout}
	if p.timeout <= 0 {
		p.timeout = defaultTimeout
	}
	if fault := p.checkUse(ctx); fault != nil {
		report := Unasked(o.Name, "the registry can't be used", o.Now)
		report.Fault = fault.Mend()
		return report
	}
	report := &Report{Registry: o.Name, At: o.Now.UTC().Truncate(time.Second)}
	p.listed = p.askCatalog(ctx)
	if o.Write != "" {
		p.scene = p.write(ctx)
	}
	p.sample = p.findSample(ctx)
	report.Repository = p.sample.repository
	for _, c := range p.checks() {
		found := c.look(ctx)
		found.Capability = c.name
		report.Findings = append(report.Findings, found)
	}
	if p.scene != nil {
		report.Left = p.scene.remove(ctx)
	}
	return report
}

// checkUse tells whether the registry can be used at all.
func (p *probe) checkUse(ctx context.Context) *upstream.Fault {
	within, cancel := context.WithTimeout(ctx, 2*p.timeout)
	defer cancel()
	return p.registry.Check(within)
}

// checks returns what there is to look at, in the order in which it is told. Those
// that delete come last: the others need what these drop.
func (p *probe) checks() []check {
	return []check{
		{CapabilityReferrers, p.checkReferrers},
		{CapabilityCatalog, p.checkCatalog},
		{CapabilityTagsN, p.checkTagsN},
		{CapabilityTagsLink, p.checkTagsLink},
		{CapabilityTagsLast, p.checkTagsLast},
		{CapabilityTagsSorted, p.checkTagsSorted},
		{CapabilityRanges, p.checkRanges},
		{CapabilityRangesRefused, p.checkRangesRefused},
		{CapabilityTokenLife, p.checkTokenLife},
		{CapabilityIndex, p.writing((*scene).checkIndex)},
		{CapabilityArtifactType, p.writing((*scene).checkArtifactType)},
		{CapabilityEmptyConfig, p.writing((*scene).checkEmptyConfig)},
		{CapabilityAbsentSubject, p.writing((*scene).checkAbsentSubject)},
		{CapabilityManifestSHA512, p.writing((*scene).checkManifestSHA512)},
		{CapabilityIfMatch, p.writing((*scene).checkIfMatch)},
		{CapabilityIfNoneMatch, p.writing((*scene).checkIfNoneMatch)},
		{CapabilityBlobSHA512, p.writing((*scene).checkBlobSHA512)},
		{CapabilityMount, p.writing((*scene).checkMount)},
		{CapabilityChunkOrder, p.writing((*scene).checkChunkOrder)},
		{CapabilityDeleteByTag, p.writing((*scene).checkDeleteByTag)},
		{CapabilityDeleteByDigest, p.writing((*scene).checkDeleteByDigest)},
		{CapabilityDeleteOfUntagged, p.writing((*scene).checkDeleteOfUntagged)},
	}
}

// writing is a check that needs what was written.
func (p *probe) writing(look func(*scene, context.Context) Finding) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		switch {
		case p.scene == nil:
			return unknown("only a write shows it: backref upstream probe --write REPO")
		case !p.scene.pushed.done():
			f := p.scene.pushed.odd()
			f.Reason = "an image can't be written: " + f.Reason
			return f
		}
		return look(p.scene, ctx)
	}
}
