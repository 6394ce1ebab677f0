package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"
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

// reloading says that the configuration is read again, until ready is said. The
// manager tells by the clock that it means a reload which it has asked for.
func (m serviceManager) reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	return m.tell("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/int64(time.Microsecond)))
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
