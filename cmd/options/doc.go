// Package options maps the configuration to the options of the rooms, one file a
// room. No room knows the configuration; this package decides nothing that the
// configuration leaves open.
package options
