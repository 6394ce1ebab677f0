package postgres

import (
	"io/fs"
	"slices"
	"testing"
)

// Each file of a step is in the list, and each of the list is there, in one
// order without gaps.
func TestStepsAreFiles(t *testing.T) {
	want := []string{notesFile}
	for i, step := range steps() {
		if step.number != i+1 || step.name == "" {
			t.Errorf("step %d is number %d, %q", i+1, step.number, step.name)
		}
		want = append(want, step.file())
	}
	there, err := fs.Glob(files, "steps/*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if !slices.Equal(there, want) {
		t.Errorf("the files are %q, listed are %q", there, want)
	}
}
