package main

import (
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
)

// What somebody can do with a tag or a manifest, as the rules are asked.
const (
	// doPush pushes a manifest by its digest, or to a tag that is not there.
	doPush = "push"
	// doMove pushes another manifest to a tag that is there.
	doMove = "move"
	// doDelete deletes a tag, or a manifest by its digest, which the tag names.
	doDelete = "delete"
	doPull   = "pull"
)

// doings are all of these.
func doings() []string { return []string{doPush, doMove, doDelete, doPull} }

// question is what somebody would do, about which the rules decide.
type question struct {
	do              string
	repository, tag string
	digest          digest.Digest
	artifact        policy.Artifact
	by              policy.Requester
	at              time.Time
	// held is what a server says of the manifest: by which locked tag it is held.
	held policy.Decision
}

// verdict is what the rules decide.
type verdict struct {
	Action   string `json:"action"`
	Decision string `json:"decision"`
	// Because are all the rules that deny it, the one that decides first.
	Because []because `json:"because,omitempty"`
}

// because is a rule that denies something. Rules of auth.rules have no names.
type because struct {
	Kind   string `json:"kind"`
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// The decisions of a verdict.
const (
	decisionAllow = "allow"
	decisionDeny  = "deny"
)

// explainer is one kind of rules.
type explainer struct {
	// kind is the key of the rules.
	kind string
	// decide says what the rules decide about a question.
	decide func(*ruleBook, question) policy.Decision
	// about names the rules that are about a repository; nil for none.
	about func(*ruleBook, string) []string
}

// explainers are the kinds of rules, in the order in which the server asks them.
func explainers() []explainer {
	return []explainer{
		{"auth.rules", (*ruleBook).judgeAccess, nil},
		{"artifacts.rules", (*ruleBook).judgeArtifact, (*ruleBook).artifactRules},
		{"tags.locks", (*ruleBook).judgeLocks, (*ruleBook).lockRules},
		{"delete.cascade", nil, (*ruleBook).cascadeRules},
		{"retention.rules", nil, (*ruleBook).retentionRules},
	}
}

// judge asks all rules.
func (b *ruleBook) judge(q question) verdict {
	v := verdict{Action: q.do, Decision: decisionAllow}
	for _, e := range explainers() {
		if e.decide == nil {
			continue
		}
		if decision := e.decide(b, q); decision.Denied {
			v.Decision = decisionDeny
			v.Because = append(v.Because, because{e.kind, decision.Rule, decision.Reason})
		}
	}
	return v
}

// judgeAccess asks auth.rules.
func (b *ruleBook) judgeAccess(q question) policy.Decision {
	action := map[string]policy.Action{doPush: policy.Push, doMove: policy.Push, doDelete: policy.Delete, doPull: policy.Pull}[q.do]
	if b.access == nil || b.access.Allows(q.by.Client, action, q.repository) {
		return policy.Decision{}
	}
	who := "somebody who has not signed in"
	if !q.by.Anonymous() {
		who = "user " + q.by.User
	}
	return policy.Decision{Denied: true, Reason: "no rule allows " + who + " to " + string(action) + " here"}
}

// judgeArtifact asks artifacts.rules.
func (b *ruleBook) judgeArtifact(q question) policy.Decision {
	action := policy.Push
	switch q.do {
	case doDelete:
		return policy.Decision{}
	case doPull:
		action = policy.Pull
	}
	return b.Artifacts.For(q.by, action, q.repository).Judge(q.artifact)
}

// judgeLocks asks tags.locks. A delete of the manifest that a locked tag names is
// denied as one of the tag is.
func (b *ruleBook) judgeLocks(q question) policy.Decision {
	if q.do != doMove && q.do != doDelete {
		return policy.Decision{}
	}
	decision := policy.Decision{}
	if q.tag != "" {
		decision = b.Locks.Decide(q.repository, q.tag, q.at)
	}
	untags := q.digest == "" && b.DeletesTagsAlone
	if !decision.Denied && q.do == doDelete && !untags {
		decision = q.held
	}
	return decision
}

func (b *ruleBook) lockRules(repository string) []string {
	return namesAbout(repository, b.cfg.Tags.Locks, func(r config.TagLock) (string, []string) { return r.Name, r.Repositories })
}

func (b *ruleBook) artifactRules(repository string) []string {
	return namesAbout(repository, b.cfg.Artifacts.Rules, func(r config.ArtifactRule) (string, []string) { return r.Name, r.Repositories })
}

func (b *ruleBook) cascadeRules(repository string) []string {
	return namesAbout(repository, b.cfg.Delete.Cascade, func(r config.CascadeRule) (string, []string) { return r.Name, r.Repositories })
}

func (b *ruleBook) retentionRules(repository string) []string {
	return namesAbout(repository, b.cfg.Retention.Rules, func(r config.RetentionRule) (string, []string) { return r.Name, r.Repositories })
}

// namesAbout returns the names of the rules that are about a repository.
func namesAbout[R any](repository string, rules []R, read func(R) (name string, repositories []string)) []string {
	var names []string
	for _, rule := range rules {
		name, repositories := read(rule)
		if slices.ContainsFunc(repositories, func(pattern string) bool {
			glob, err := oci.ParseGlob(pattern)
			return err == nil && glob.Match(repository)
		}) {
			names = append(names, name)
		}
	}
	return names
}

// artifactOf returns a manifest of an artifact type, as the rules look at it. Without
// one it is an image.
func artifactOf(artifactType string) policy.Artifact {
	if artifactType == "" || artifactType == policy.Images {
		artifactType = oci.MediaTypeImageConfig
	}
	return policy.Artifact{MediaType: oci.MediaTypeImageManifest, Type: artifactType}
}
