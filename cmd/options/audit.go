package options

import (
	"github.com/backref/backref/config"
	"github.com/backref/backref/reconcile"
)

// Audit returns what the configuration says of how much is kept of the audit.
func Audit(cfg config.Audit) reconcile.AuditBounds {
	return reconcile.AuditBounds{Keep: cfg.Keep, Entries: cfg.Entries}
}
