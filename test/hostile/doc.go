// Package hostile sends the running program what an attacker would send it: as
// a client in front of real registries, and as a registry that lies. For every
// case it checks what the client is told, that the index is as before, and
// what the registry saw. A case that an advisory describes names it.
package hostile
