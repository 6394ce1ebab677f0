// Package config holds everything that can be set in backref, in one [Config].
//
// A value comes from a YAML file, from an environment variable or from a flag,
// in rising precedence; what nobody sets has its default. One table of fields,
// made from the struct itself, serves reading, printing, the JSON schema and
// the error messages, so a key has one name, one meaning and one document.
//
// A configuration that [Load] returns is valid. Every mistake is reported, each
// with where it was made, the path of the key, and the reason.
package config
