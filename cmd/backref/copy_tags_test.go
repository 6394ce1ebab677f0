package main

import (
	"strings"
	"testing"

	"github.com/backref/backref/transfer"
)

func TestNamesOfAnyLength(t *testing.T) {
	_, err := (&copyTags{all: true, file: "names"}).lines("names", strings.NewReader("a b\n"+strings.Repeat("a", 70000)), transfer.Request{}, nil)
	if err == nil || !strings.Contains(err.Error(), "names, line ") {
		t.Errorf("%v", err)
	}
}

// FuzzNames reads files of names: what is no line is an error that names one, and
// what is one gives two ends.
func FuzzNames(f *testing.F) {
	for _, text := range []string{"app\n", "# one\napp:v1 other:v2 # two\n", "a b c", "oci:dir:v1 host/x@sha256:1", "#\x00", "\ufeffapp"} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, behind bool) {
		var bases []string
		if behind {
			bases = []string{"localhost:8080", "oci:folder/"}
		}
		jobs, err := (&copyTags{all: true, file: "names"}).lines("names", strings.NewReader(text), transfer.Request{}, bases)
		if (err == nil) == (len(jobs) == 0) {
			t.Errorf("%d jobs, %v", len(jobs), err)
		}
		if err != nil && !strings.Contains(err.Error(), "names, line ") && !strings.Contains(err.Error(), "names nothing") {
			t.Errorf("%v", err)
		}
		for _, job := range jobs {
			if behind && (job.Source.Reference.Host != "localhost:8080" || !strings.HasPrefix(job.Target.Path, "folder/")) {
				t.Errorf("%s to %s", job.Source, job.Target)
			}
		}
	})
}
