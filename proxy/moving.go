package proxy

import (
	"errors"
	"io"
	"time"

	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/upstream"
)

// The steps in which the system is asked to move a body. A client's time is
// counted by the step, so that a slow one gets small steps; the largest is what
// the system moves at once.
const (
	smallestStep = 256 << 10
	largestStep  = 1 << 20
	// quickStep is how long a step takes at most that a larger one follows.
	quickStep = 50 * time.Millisecond
)

// mover is a body that the system can move to a plain connection.
type mover interface {
	Move(to upstream.Mover, most int64, within time.Duration) (int64, error)
}

// move has the system move a body to a client, in larger steps the quicker
// that goes.
func (p *Proxy) move(to upstream.Mover, body mover) error {
	patience := p.patience()
	for step := int64(smallestStep); ; {
		start := time.Now()
		switch _, err := body.Move(to, step, patience.For(step)); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		step = min(2*step, largestStep)
		if time.Since(start) > quickStep {
			step = smallestStep
		}
	}
}

// patience is how long clients may keep us waiting within a body.
func (p *Proxy) patience() wrap.Patience {
	return p.limits().Patience
}
