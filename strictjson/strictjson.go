package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Errors of [Check].
var (
	// ErrSyntax marks bytes that are not one JSON text.
	ErrSyntax = errors.New("not one JSON text")
	// ErrAmbiguous marks a text that readers may take for different things.
	ErrAmbiguous = errors.New("readable in more than one way")
	// ErrLimit marks a text beyond a bound.
	ErrLimit = errors.New("over a limit")
)

// Shape says which names of an object are interpreted. The shape of an array
// is that of its elements.
type Shape struct {
	Fields []Field
	// Every says that the object is a map, all of whose names count.
	Every bool
	// Bound counts the values of this shape or, where Every, their names; nil
	// for no bound.
	Bound *Bound
}

// Field is a name that is interpreted.
type Field struct {
	Name string
	// Shape is that of the value; nil for one that is not looked into.
	Shape *Shape
}

// Bound is the most that a text may have of something. It counts, so it serves
// one text.
type Bound struct {
	// Name is what an error calls the bound.
	Name string
	// Most is the bound; 0 for none.
	Most int

	count int
}

// Exceeded tells whether a text that was checked has more.
func (b *Bound) Exceeded() bool {
	return b.Most > 0 && b.count > b.Most
}

func (b *Bound) add() error {
	if b == nil {
		return nil
	}
	if b.count++; b.Exceeded() {
		return fmt.Errorf("%w: %s is %d", ErrLimit, b.Name, b.Most)
	}
	return nil
}

// Check makes sure that body is one JSON text that readers agree on, as far as
// its shape goes, nested at most as deep as depth allows.
//
// Errors: [ErrSyntax], [ErrAmbiguous], [ErrLimit].
func Check(body []byte, shape *Shape, depth Bound) error {
	if !json.Valid(body) {
		return ErrSyntax
	}
	if !utf8.Valid(body) {
		return fmt.Errorf("%w: not UTF-8", ErrAmbiguous)
	}
	return (&checker{body: body, depth: depth}).value(shape)
}
