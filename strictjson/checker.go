package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// checker goes once through a text that is known to be valid JSON, so it finds
// its way by the few bytes that matter.
type checker struct {
	body []byte
	at   int
	// depth counts the containers that are open.
	depth Bound
}

// next returns the first byte that is no white space, without taking it.
func (c *checker) next() byte {
	for {
		switch b := c.body[c.at]; b {
		case ' ', '\t', '\r', '\n':
			c.at++
		default:
			return b
		}
	}
}

// value takes a value.
func (c *checker) value(shape *Shape) error {
	switch c.next() {
	case '{':
		return c.object(shape)
	case '[':
		return c.array(shape)
	case '"':
		c.quoted()
	default:
		c.literal()
	}
	return nil
}

// literal takes a number, true, false or null.
func (c *checker) literal() {
	for ; c.at < len(c.body); c.at++ {
		switch c.body[c.at] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return
		}
	}
}

func (c *checker) array(shape *Shape) error {
	if err := c.depth.add(); err != nil {
		return err
	}
	for c.at++; c.next() != ']'; {
		if c.next() == ',' {
			c.at++
			continue
		}
		if err := c.counted(shape); err != nil {
			return err
		}
	}
	c.at++
	c.depth.count--
	return nil
}

// counted takes a value that the bound of its shape counts.
func (c *checker) counted(shape *Shape) error {
	if shape != nil && !shape.Every {
		if err := shape.Bound.add(); err != nil {
			return err
		}
	}
	return c.value(shape)
}

func (c *checker) object(shape *Shape) error {
	if err := c.depth.add(); err != nil {
		return err
	}
	names := names{shape: shape}
	for c.at++; c.next() != '}'; {
		if c.next() == ',' {
			c.at++
			continue
		}
		inner, err := names.take(c.quoted())
		if err != nil {
			return err
		}
		for c.next() != ':' {
			c.at++
		}
		c.at++
		if c.next() == '[' {
			err = c.value(inner)
		} else {
			err = c.counted(inner)
		}
		if err != nil {
			return err
		}
	}
	c.at++
	c.depth.count--
	return nil
}

// quoted takes a string and returns it with its quotes.
func (c *checker) quoted() []byte {
	body, start := c.body, c.at
	end := start + 1
	for ; body[end] != '"'; end++ {
		if body[end] == '\\' {
			end++
		}
	}
	c.at = end + 1
	return body[start:c.at]
}

// names are those that an object has had so far.
type names struct {
	shape *Shape
	// fields has a bit for each of the shape's.
	fields uint64
	all    map[string]struct{}
}

// take takes a name and returns the shape of its value.
func (n *names) take(quoted []byte) (*Shape, error) {
	if n.shape == nil {
		return nil, nil
	}
	name := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		var plain string
		if err := json.Unmarshal(quoted, &plain); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
		}
		name = []byte(plain)
	}
	if n.shape.Every {
		return nil, n.takeAny(string(name))
	}
	return n.takeField(name)
}

func (n *names) takeAny(name string) error {
	if err := n.shape.Bound.add(); err != nil {
		return err
	}
	if _, twice := n.all[name]; twice {
		return fmt.Errorf("%w: %.100q is given twice", ErrAmbiguous, name)
	}
	if n.all == nil {
		n.all = make(map[string]struct{})
	}
	n.all[name] = struct{}{}
	return nil
}

// takeField refuses another spelling of a name, since some readers tell cases
// apart and others don't.
func (n *names) takeField(name []byte) (*Shape, error) {
	for i, field := range n.shape.Fields {
		if string(name) == field.Name {
			bit := uint64(1) << i
			if n.fields&bit != 0 {
				return nil, fmt.Errorf("%w: %q is given twice", ErrAmbiguous, field.Name)
			}
			n.fields |= bit
			return field.Shape, nil
		}
	}
	for _, field := range n.shape.Fields {
		if bytes.EqualFold(name, []byte(field.Name)) {
			return nil, fmt.Errorf("%w: %q is written as %q", ErrAmbiguous, field.Name, name)
		}
	}
	return nil, nil
}
