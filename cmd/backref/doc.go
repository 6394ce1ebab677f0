// Command backref gives OCI 1.1 referrers to a container registry that lacks
// them: it stands in front of it as a reverse proxy.
//
// There is one file per subcommand. They turn flags into a configuration and
// hold no logic of their own; server.go puts the parts together.
package main
