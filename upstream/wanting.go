package upstream

import (
	"slices"
	"strings"
)

// Wanting returns the answer with challenges that ask for a right in a repository
// too, such as "push". It is for an answer to a question of backref's own that is
// relayed to a client who asked for something else: a token for what the question
// needed alone would not let that client do what it wants.
func (e *StatusError) Wanting(repository, action string) *StatusError {
	wanting := *e
	wanting.Header = e.Header.Clone()
	challenges := slices.Clone(e.Header.Values("Www-Authenticate"))
	for i, challenge := range challenges {
		challenges[i] = RewriteScope(challenge, func(scope string) string { return widened(scope, repository, action) })
	}
	if len(challenges) > 0 {
		wanting.Header["Www-Authenticate"] = challenges
	}
	return &wanting
}

// widened returns scopes (registry token protocol, "Resource Scope") of which that
// of a repository has an action more.
func widened(scopes, repository, action string) string {
	fields := strings.Fields(scopes)
	for i, scope := range fields {
		of, actions, found := cutLast(scope, ":")
		if found && of == "repository:"+repository && !slices.Contains(strings.Split(actions, ","), action) {
			fields[i] = scope + "," + action
		}
	}
	return strings.Join(fields, " ")
}

func cutLast(text, separator string) (before, after string, found bool) {
	at := strings.LastIndex(text, separator)
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+len(separator):], true
}
