package indextest

import (
	"testing"

	"github.com/backref/backref/index"
)

func TestModel(t *testing.T) {
	runMeaning(t, func(*testing.T) index.Store { return NewModel() })
}
