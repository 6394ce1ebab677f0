package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
)

// passStep bounds the entries that a step of a pass looks at, and with them how
// long other changes wait for it.
const passStep = 1000

// pass is a walk through the referrers of a generation that enters the listings
// which another generation has not got as they are there. It is kept in the
// file, so that it goes on where a crash interrupts it.
type pass struct {
	// against is 0 where all listings are entered.
	of, against uint64
	// after is the key of the last referrer that was looked at.
	after []byte
}

func encodePass(p pass) []byte {
	return append(append(number(p.of), number(p.against)...), p.after...)
}

func decodePass(value []byte) (pass, error) {
	if len(value) < 16 {
		return pass{}, fmt.Errorf("%w: value of a pass", index.ErrDamaged)
	}
	return pass{
		of:      binary.BigEndian.Uint64(value),
		against: binary.BigEndian.Uint64(value[8:]),
		after:   bytes.Clone(value[16:]),
	}, nil
}

func (w *writing) addPass(p pass) error {
	id, err := w.freshNumber()
	if err != nil {
		return err
	}
	return w.put(w.outbox.passes, number(id), encodePass(p))
}

// passes returns those that are to be made.
func (w *writing) passes() ([]pass, error) {
	if w.outbox == nil {
		return nil, nil
	}
	var passes []pass
	cursor := w.outbox.passes.Cursor()
	for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
		p, err := decodePass(value)
		if err != nil {
			return nil, err
		}
		passes = append(passes, p)
	}
	return passes, nil
}

// enterAll makes all passes, in transactions between which others get in.
func (s *Store) enterAll(ctx context.Context) error {
	for more := true; more; {
		err := s.change(ctx, func(w *writing) (err error) {
			more, err = w.stepPass()
			return err
		})
		if err != nil {
			return fmt.Errorf("enter listings: %w", err)
		}
	}
	return nil
}

// stepPass makes a step of the first pass, and reports whether there was one.
func (w *writing) stepPass() (more bool, err error) {
	if w.outbox == nil {
		return false, nil
	}
	id, value := w.outbox.passes.Cursor().First()
	if id == nil {
		return false, nil
	}
	id = bytes.Clone(id)
	p, err := decodePass(value)
	if err != nil {
		return false, err
	}
	done, err := w.walkPass(&p)
	switch {
	case err != nil:
		return false, err
	case done:
		return true, w.delete(w.outbox.passes, id)
	default:
		return true, w.put(w.outbox.passes, id, encodePass(p))
	}
}

// walkPass looks at the next referrers and moves the pass on.
func (w *writing) walkPass(p *pass) (done bool, err error) {
	of, err := openGeneration(w.tx, p.of)
	if err != nil {
		return false, err
	}
	var against *generation
	if p.against != 0 {
		if against, err = openGeneration(w.tx, p.against); err != nil {
			return false, err
		}
	}
	var entered []byte
	t := of.tour(sectionReferrers)
	rest, value, err := t.first(p.after)
	for range passStep {
		if rest == nil || err != nil {
			return true, err
		}
		subject, _, err := packed.CutDigest(rest)
		if err != nil {
			return false, err
		}
		if listing := t.key(subject); !bytes.Equal(listing, entered) {
			if same, err := against.shows(t.key(rest), value); err != nil {
				return false, err
			} else if !same {
				entered = listing
				if err := w.enter(entered); err != nil {
					return false, err
				}
			}
		}
		p.after = t.key(rest)
		if rest, value, err = t.next(); err != nil {
			return false, err
		}
	}
	return false, nil
}

// shows reports whether a listing of the generation, which may be nil, has an
// entry with the value. The key has the name of the repository.
func (g *generation) shows(key, value []byte) (bool, error) {
	if g == nil {
		return false, nil
	}
	name, rest, _ := bytes.Cut(key, []byte{0})
	n, found, err := g.find(name)
	if !found || err != nil {
		return false, err
	}
	return bytes.Equal(g.records.Get(sectionKey(n, sectionReferrers, rest)), value), nil
}
