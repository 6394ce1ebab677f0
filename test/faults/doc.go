// Package faults breaks things for real, at chosen instants, and looks at what
// is listed afterwards: backref killed, connections cut, the registry gone,
// the index damaged.
package faults
