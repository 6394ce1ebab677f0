package proxy

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/proxy/answer"
)

// shownTypes says which artifact types may be in the answer to a query.
type shownTypes uint8

const (
	// ofAll is an answer that may have any.
	ofAll shownTypes = iota
	// byType is one that has those alone that the query asks for.
	byType
	// byTypeOrLegacy is byType with legacy referrers, unless the query, or the
	// configuration, wants none: they are shown under other types than their own.
	byTypeOrLegacy
)

// mayList fails where the answer to a query may show manifests that the rules keep
// from the client.
func (p *Proxy) mayList(r *http.Request, rules policy.ArtifactRules, shows shownTypes) error {
	if len(rules) == 0 {
		return nil
	}
	if shows == ofAll {
		return p.registry.MayList(rules, nil)
	}
	values, err := answer.Parameters(r)
	if err != nil {
		return err
	}
	query, err := index.ParseQuery(url.Values{index.ParamArtifactType: values[index.ParamArtifactType]})
	if err != nil {
		return err
	}
	types := slices.Clone(query.ArtifactTypes)
	if len(types) > 0 && shows == byTypeOrLegacy && p.wantsLegacy(values) {
		// What cosign 2 tags has the config of an image.
		types = append(types, oci.MediaTypeImageConfig)
	}
	return p.registry.MayList(rules, types)
}

// wantsLegacy tells whether a query of the extension has legacy referrers shown.
func (p *Proxy) wantsLegacy(values url.Values) bool {
	switch values.Get(index.ParamLegacy) {
	case "":
		return p.options.LegacyTags
	case "false":
		return false
	default:
		return true
	}
}

// pullRules returns the rules about what the client of a request pulls from the
// repository of the path; none where all may be pulled.
func (p *Proxy) pullRules(r *http.Request, target path) policy.ArtifactRules {
	if p.registry.Policies().Artifacts.None() || entryOf(r).operator {
		return nil
	}
	return p.registry.PullRules(p.requester(r), target.repository)
}
