// Package deploy takes what is below deploy, and the Dockerfile, to where it is
// meant to run, as far as that goes on one machine: images are built and
// started, services run under a service manager, and proxies have their real
// configuration.
package deploy
