package config

import "time"

// Audit configures what is kept of denials and deletions.
type Audit struct {
	Keep    time.Duration `key:"keep" doc:"How long records of what was denied and deleted are kept in the index, beside their lines in the log. 0 keeps none." reload:"true"`
	Entries int           `key:"entries" doc:"The most records that are kept in the index; beyond it the oldest go. It may be exceeded for a moment." reload:"true"`
}

// The defaults of [Audit].
const (
	auditKeep    = 30 * 24 * time.Hour
	auditEntries = 100_000
)
