package artifact

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// slsaPredicate is the provenance of SLSA v0.1, v0.2 (slsa.dev/provenance/v0.2) and
// v1 (slsa.dev/spec/v1.0/provenance), whose fields have names of their own.
type slsaPredicate struct {
	// Version 0.
	Builder    slsaBuilder        `json:"builder"`
	BuildType  string             `json:"buildType"`
	Recipe     slsaRecipe         `json:"recipe"`
	Invocation slsaInvocation     `json:"invocation"`
	Metadata   slsaMetadata       `json:"metadata"`
	Materials  list[slsaMaterial] `json:"materials"`
	// Version 1.
	Definition struct {
		BuildType    string             `json:"buildType"`
		Dependencies list[slsaMaterial] `json:"resolvedDependencies"`
		Parameters   slsaParameters     `json:"externalParameters"`
	} `json:"buildDefinition"`
	Run struct {
		Builder  slsaBuilder  `json:"builder"`
		Metadata slsaMetadata `json:"metadata"`
	} `json:"runDetails"`
}

type slsaBuilder struct {
	ID string `json:"id"`
}

type slsaRecipe struct {
	Type string `json:"type"`
}

type slsaInvocation struct {
	Source slsaMaterial `json:"configSource"`
}

// slsaParameters are those of a build from outside; each type of build has its own:
// that of GitHub's workflows a workflow, that of BuildKit a source of its
// configuration.
type slsaParameters struct {
	Workflow struct {
		Repository string `json:"repository"`
		Ref        string `json:"ref"`
		Path       string `json:"path"`
	} `json:"workflow"`
	Source slsaMaterial `json:"configSource"`
}

// slsaMetadata is of a run. The times are called otherwise in version 1.
type slsaMetadata struct {
	V0ID       string `json:"buildInvocationId"`
	V0OldID    string `json:"buildInvocationID"`
	V0Started  string `json:"buildStartedOn"`
	V0Finished string `json:"buildFinishedOn"`
	ID         string `json:"invocationId"`
	OldID      string `json:"invocationID"`
	Started    string `json:"startedOn"`
	Finished   string `json:"finishedOn"`
}

type slsaMaterial struct {
	URI     string  `json:"uri"`
	Name    string  `json:"name"`
	Digests digests `json:"digest"`
}

// provenance reads a predicate. Both sets of names are looked for, since some
// builders mix them.
func (r *reader) provenance(predicate json.RawMessage) *Provenance {
	s := decode[slsaPredicate](r, predicate)
	m, run := s.Metadata, s.Run.Metadata
	p := &Provenance{
		Builder:    clip(cmp.Or(s.Run.Builder.ID, s.Builder.ID)),
		BuildType:  clip(cmp.Or(s.Definition.BuildType, s.BuildType, s.Recipe.Type)),
		Invocation: clip(cmp.Or(run.ID, run.OldID, m.V0ID, m.V0OldID)),
		Started:    instant(cmp.Or(run.Started, m.V0Started)),
		Finished:   instant(cmp.Or(run.Finished, m.V0Finished)),
		Source:     s.source(r),
	}
	all := s.Definition.Dependencies
	if all.total == 0 {
		all = s.Materials
	}
	r.all("materials", len(all.kept), all.total)
	for _, material := range all.kept {
		p.Materials = append(p.Materials, material.entry(r))
	}
	return p
}

// source returns where the instructions of the build came from.
func (s slsaPredicate) source(r *reader) *Material {
	workflow := s.Definition.Parameters.Workflow
	if workflow.Repository != "" {
		return &Material{URI: clip(strings.TrimSuffix(fmt.Sprintf("%s@%s", workflow.Repository, workflow.Ref), "@"))}
	}
	for _, source := range []slsaMaterial{s.Definition.Parameters.Source, s.Invocation.Source} {
		if source.URI != "" {
			entry := source.entry(r)
			return &entry
		}
	}
	return nil
}

func (m slsaMaterial) entry(r *reader) Material {
	return Material{URI: clip(cmp.Or(m.URI, m.Name)), Digests: m.Digests.clipped(r)}
}
