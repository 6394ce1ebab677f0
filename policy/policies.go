package policy

// Policies are the rules of the life cycle, which hold for everyone, whoever may
// do what by the rules of [Access]. The zero value has none. Nobody changes a
// Policies; another one takes its place. It may be used concurrently.
type Policies struct {
	// Retention says which referrers stay; nil has no rules.
	Retention *Retention
	// Artifacts say which artifact types may be pushed and pulled.
	Artifacts Artifacts
	// Locks make tags immutable.
	Locks TagLocks
	// DeletesTagsAlone says that the registry, asked to delete a tag, deletes
	// nothing else. Some delete the manifest, with all its tags.
	DeletesTagsAlone bool
	// Cascades say what goes with a manifest; nil for nothing.
	Cascades *Cascades
}

// Decision is what a rule decides. The zero value lets something happen, by no
// rule.
type Decision struct {
	// Denied says that it must not happen.
	Denied bool
	// Rule is the name of the rule that decides; empty where none does.
	Rule string
	// Reason says why, in words that follow "because".
	Reason string
}
