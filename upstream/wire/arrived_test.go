package wire_test

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hasArrived waits until all that was written to a connection is in the hands of
// the system at its other end, which has acknowledged it.
func hasArrived(t *testing.T, conn net.Conn) {
	t.Helper()
	if secure, is := conn.(interface{ NetConn() net.Conn }); is {
		conn = secure.NetConn()
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		unacknowledged := 0
		var failure error
		err := raw.Control(func(fd uintptr) { unacknowledged, failure = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
		if err != nil || failure != nil || unacknowledged == 0 {
			return // A connection that was closed meanwhile has nothing under way.
		}
		if time.Now().After(deadline) {
			t.Errorf("%d bytes never arrived", unacknowledged)
			return
		}
	}
}
