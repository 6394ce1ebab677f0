package ui

import (
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/client"
)

// command is one that people copy.
type command struct {
	// Does says what it does.
	Does string `json:"does"`
	Text string `json:"command"`
}

// commandsFor returns what one does with a manifest on the command line, as fits what
// it is. at is the reference of the manifest by digest, tag the tag by which it was
// looked at; empty for none.
func commandsFor(m client.Manifest, at, tag string) []command {
	kind := client.Describe(m.Descriptor())
	named, _, _ := strings.Cut(at, "@")
	var all []command
	switch {
	case kind == "Helm chart" && tag != "":
		all = append(all, command{"Get the chart", "helm pull oci://" + named + " --version " + tag})
	case kind == "image" || kind == "image index":
		all = append(all,
			command{"Get the image", "docker pull " + at},
			command{"Verify its signature by a key", "cosign verify --key cosign.pub " + at},
			command{"See what is attached to it", "oras discover " + at},
		)
		return append(all, command{"See its manifest", "regctl manifest get " + at})
	case m.Subject() != "" && groupOf(m.Descriptor()) == groupSignatures:
		all = append(all, command{"Verify what it signs by a key", "cosign verify --key cosign.pub " + subjectAt(named, m.Subject())})
	}
	return append(all,
		command{"Get its files", "oras pull " + at},
		command{"See its manifest", "oras manifest fetch --pretty " + at},
	)
}

// subjectAt returns the reference of a subject in a named repository.
func subjectAt(named string, subject digest.Digest) string { return named + "@" + subject.String() }
