package upstream

import "strings"

// challengeParam is a parameter of a challenge in a WWW-Authenticate header.
type challengeParam struct {
	scheme, name, value string
	// from and to are where the value stands, quotes included.
	from, to int
}

// RewriteRealm replaces the realm of each Bearer challenge in a value of a
// WWW-Authenticate header (RFC 9110, section 11.6.1) by what replace returns.
// All else stays as it was; so does the whole of a value that can't be read.
func RewriteRealm(value string, replace func(realm string) string) string {
	return rewriteParam(value, "realm", replace)
}

// RewriteScope is [RewriteRealm] for the scope of the challenges.
func RewriteScope(value string, replace func(scope string) string) string {
	return rewriteParam(value, "scope", replace)
}

func rewriteParam(value, name string, replace func(text string) string) string {
	params, ok := parseChallenges(value)
	if !ok {
		return value
	}
	var out strings.Builder
	done := 0
	for _, p := range params {
		if !strings.EqualFold(p.scheme, "Bearer") || !strings.EqualFold(p.name, name) {
			continue
		}
		text := replace(p.value)
		if text == p.value {
			continue
		}
		out.WriteString(value[done:p.from])
		out.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`)
		done = p.to
	}
	out.WriteString(value[done:])
	return out.String()
}

// parseChallenges reads the parameters of all challenges in a header's value,
// and tells whether it could.
func parseChallenges(value string) ([]challengeParam, bool) {
	var params []challengeParam
	scheme := ""
	for at := 0; ; {
		at = skip(value, at, " \t,")
		if at == len(value) {
			return params, true
		}
		word := token(value[at:])
		if word == "" {
			return nil, false
		}
		at += len(word)
		equals := skip(value, at, " \t")
		if equals == len(value) || value[equals] != '=' {
			scheme = word
			continue
		}
		from := skip(value, equals+1, " \t")
		text, to, ok := paramValue(value, from)
		if !ok || scheme == "" {
			return nil, false
		}
		params = append(params, challengeParam{scheme, word, text, from, to})
		at = to
	}
}

// paramValue reads a token or quoted string and returns where it ends.
func paramValue(value string, from int) (text string, to int, ok bool) {
	if from == len(value) || value[from] != '"' {
		// What base64 ends with (token68) is let pass.
		text = token(value[from:])
		return text, skip(value, from+len(text), "="), true
	}
	var out strings.Builder
	for i := from + 1; i < len(value); i++ {
		switch value[i] {
		case '"':
			return out.String(), i + 1, true
		case '\\':
			if i++; i == len(value) {
				return "", 0, false
			}
		}
		out.WriteByte(value[i])
	}
	return "", 0, false
}

// skip returns where the first character stands that is not among those.
func skip(value string, at int, characters string) int {
	for at < len(value) && strings.IndexByte(characters, value[at]) >= 0 {
		at++
	}
	return at
}

// token returns the token that a text begins with, or one in base64.
func token(text string) string {
	for i := range len(text) {
		c := text[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;\"[]?={}`, c) >= 0 {
			return text[:i]
		}
	}
	return text
}
