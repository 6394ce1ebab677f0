package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// serviceManager is who started this process and wants to hear how it is, by
// the protocol of sd_notify(3). The zero value is nobody.
type serviceManager struct {
	// socket is the path of a datagram socket, or "@" and an abstract name.
	socket string
}

// managerOf finds the service manager in an environment.
func managerOf(environ []string) serviceManager {
	for _, variable := range environ {
		if socket, found := strings.CutPrefix(variable, "NOTIFY_SOCKET="); found {
			return serviceManager{socket}
		}
	}
	return serviceManager{}
}

// ready says that requests are served.
func (m serviceManager) ready() error {
	return m.tell("READY=1")
}

// stopping says that the process ends of its own accord or as it was told to,
// which may take so long.
func (m serviceManager) stopping(within time.Duration) error {
	return m.tell("STOPPING=1", fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", within.Microseconds()))
}

func (m serviceManager) tell(lines ...string) error {
	if m.socket == "" {
		return nil
	}
	conn, err := net.Dial("unixgram", m.socket)
	if err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	_, err = conn.Write([]byte(strings.Join(lines, "\n")))
	return errors.Join(err, conn.Close())
}
