package deploy

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// inNetwork does something on a thread that is in the network of a process.
// What it opens stays there.
func inNetwork(pid int, do func() error) error {
	done := make(chan error, 1)
	go func() {
		// The thread ends with this goroutine, since it is never unlocked.
		runtime.LockOSThread()
		namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err != nil {
			done <- err
			return
		}
		defer func() { _ = namespace.Close() }()
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter the network of process %d: %w", pid, err)
			return
		}
		done <- do()
	}()
	return <-done
}

// relayIn returns an address on loopback that leads to one in the network of a
// process, until the test is over.
func relayIn(t *testing.T, pid int, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	relay(t, listener, func() (conn net.Conn, err error) {
		err = inNetwork(pid, func() error {
			conn, err = net.Dial("tcp", address)
			return err
		})
		return conn, err
	})
	return listener.Addr().String()
}

// relayOut listens at an address in the network of a process and leads to one
// in this network, until the test is over.
func relayOut(t *testing.T, pid int, address, target string) {
	t.Helper()
	var listener net.Listener
	if err := inNetwork(pid, func() (err error) {
		listener, err = net.Listen("tcp", address)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	relay(t, listener, func() (net.Conn, error) { return net.Dial("tcp", target) })
}

// relay passes on what is sent to a listener, byte by byte, until the test is
// over.
func relay(t *testing.T, listener net.Listener, dial func() (net.Conn, error)) {
	var running sync.WaitGroup
	ended := make(chan struct{})
	running.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer func() { _ = from.Close() }()
				to, err := dial()
				if err != nil {
					return
				}
				defer func() { _ = to.Close() }()
				join(from, to, ended)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		close(ended)
		running.Wait()
	})
}

// join passes bytes on both ways until a side ends, or all of it.
func join(a, b net.Conn, ended <-chan struct{}) {
	half := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			half <- struct{}{}
		}()
	}
	left := 2
	select {
	case <-half:
		left = 1
	case <-ended:
	}
	_, _ = a.Close(), b.Close()
	for range left {
		<-half
	}
}
