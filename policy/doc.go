// Package policy holds pure decisions: given who asks for what, may it be
// done? It knows nothing of HTTP, files or the registry, and holds no state.
//
// It guarantees that what no rule allows is refused, and that a decision
// depends on what it is given alone: names, and a time where a rule ends.
package policy
