package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/backref/backref/index"
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
	lookUp := func([]byte) []byte { return nil }
	if p.against != 0 {
		against, err := openGeneration(w.tx, p.against)
		if err != nil {
			return false, err
		}
		lookUp = against.referrers.Get
	}
	var entered []byte
	cursor := of.referrers.Cursor()
	key, value := seekBehind(cursor, p.after)
	for range passStep {
		if key == nil {
			return true, nil
		}
		listing, err := listingOf(key)
		if err != nil {
			return false, err
		}
		if !bytes.Equal(listing, entered) {
			same, err := shownAlike(value, lookUp(key))
			if err != nil {
				return false, err
			}
			if !same {
				entered = bytes.Clone(listing)
				if err := w.enter(entered); err != nil {
					return false, err
				}
			}
		}
		p.after = bytes.Clone(key)
		key, value = cursor.Next()
	}
	return false, nil
}

// listingOf cuts the repository and subject out of the key of a referrer.
func listingOf(key []byte) ([]byte, error) {
	repository := bytes.IndexByte(key, 0) + 1
	if repository <= 1 {
		return nil, fmt.Errorf("%w: key of a referrer", index.ErrDamaged)
	}
	subject, _, err := cutDigest(key[repository:])
	return key[:repository+len(subject)], err
}

// shownAlike tells whether a listing shows two referrers alike. The second need
// not exist.
func shownAlike(a, b []byte) (bool, error) {
	if b == nil {
		return false, nil
	}
	typeA, descriptorA, err := cutReferrer(a)
	if err != nil {
		return false, err
	}
	typeB, descriptorB, err := cutReferrer(b)
	return bytes.Equal(typeA, typeB) && bytes.Equal(descriptorA, descriptorB), err
}
