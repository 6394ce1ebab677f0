// Package openapi holds answers of backref against docs/openapi.yaml, the
// description of its extension and of its admin API. An answer that is ours has
// to be described: its path, method, status, headers and body. It leaves to the
// tests which requests are made, and tells them which of the described answers
// they have not seen.
package openapi
