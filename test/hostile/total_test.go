package hostile

import (
	"fmt"
	"testing"

	"github.com/backref/backref/test/rig"
)

// TestTotal comes last, by the name of its file.
func TestTotal(t *testing.T) {
	rig.Report(t, fmt.Sprintf("hostile input: %d cases ran", cases.Load()))
}
