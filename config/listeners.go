package config

import (
	"fmt"
	"strings"
)

// MainListener is the name of the listener at server.listen.
const MainListener = "main"

// Listener is a further address for registry clients.
type Listener struct {
	Name   string `key:"name" doc:"The name of the listener, by which rules and the log know what came by it: small letters, digits and dashes; not main, which is server.listen." required:"true"`
	Listen string `key:"listen" doc:"Address to listen on, host:port; an empty host means all." required:"true"`
}

// checkListeners makes sure that each listener can be told from the others.
func checkListeners(listeners []Listener) error {
	names := map[string]bool{MainListener: true}
	for _, l := range listeners {
		switch {
		case l.Name == "":
			return fmt.Errorf("the listener at %q has no name", l.Listen)
		case strings.Trim(l.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(l.Name) > maxListenerName:
			return fmt.Errorf("%q is no name of a listener: use up to %d small letters, digits and dashes", l.Name, maxListenerName)
		case names[l.Name]:
			return fmt.Errorf("there is more than one listener with the name %s; main is server.listen", l.Name)
		}
		names[l.Name] = true
		if err := checkListen(l.Listen); err != nil {
			return fmt.Errorf("listener %s: %w", l.Name, err)
		}
	}
	return nil
}

// maxListenerName is how long the name of a listener may be, in bytes.
const maxListenerName = 32
