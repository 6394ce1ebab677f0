package probe

import (
	"context"
	"time"
)

// checkTokenLife tells whether the registry's tokens say how long they hold.
func (p *probe) checkTokenLife(ctx context.Context) Finding {
	const asked = "GET /v2/"
	life, used := p.registry.TokenLife(ctx)
	request := asked
	if !used && p.sample.repository != "" {
		// To an anonymous client the door gives none.
		life, used = p.registry.TokenLifeFor(ctx, p.sample.repository)
		request = p.sample.listed.line()
	}
	switch {
	case !used:
		return Finding{Verdict: No, Request: asked, Answer: "no token is used"}
	case life == 0:
		return Finding{Verdict: Unknown, Request: request, Answer: "a token", Reason: "the token does not say how long it holds"}
	default:
		return Finding{Verdict: Yes, Request: request, Answer: "a token that holds for " + life.Round(time.Second).String()}
	}
}
