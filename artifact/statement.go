package artifact

import "time"

// Statement is what an attestation says of its subjects (in-toto, "Statement" v0.1
// and v1).
type Statement struct {
	PredicateType string    `json:"predicateType"`
	Subjects      []Subject `json:"subjects,omitempty"`
	// Provenance is set where the predicate is one of SLSA.
	Provenance *Provenance `json:"provenance,omitempty"`
}

// Subject is what a statement is about.
type Subject struct {
	Name string `json:"name,omitempty"`
	// Digests are by algorithm, as sha256.
	Digests map[string]string `json:"digests,omitempty"`
}

// Provenance is how something was built (SLSA provenance v0.1, v0.2 and v1).
type Provenance struct {
	// Builder is the identifier of what built it, BuildType how to read the rest.
	Builder   string `json:"builder,omitempty"`
	BuildType string `json:"buildType,omitempty"`
	// Invocation identifies the run.
	Invocation string `json:"invocation,omitempty"`
	// Source is where the instructions of the build came from, where it is told.
	Source *Material `json:"source,omitempty"`
	// Materials are what went into it: materials, or resolved dependencies.
	Materials []Material `json:"materials,omitempty"`
	Started   *time.Time `json:"started,omitempty"`
	Finished  *time.Time `json:"finished,omitempty"`
}

// Material is something that a build used.
type Material struct {
	URI     string            `json:"uri"`
	Digests map[string]string `json:"digests,omitempty"`
}
