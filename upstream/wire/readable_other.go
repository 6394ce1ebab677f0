//go:build !unix

package wire

import "net"

// silent tells whether nothing came on an idle connection. Where that can't be
// seen none is used again.
func silent(*net.TCPConn) bool {
	return false
}

// awaitReadable waits until something is there to be read. Where that can't be
// seen, who reads waits.
func awaitReadable(*net.TCPConn) error {
	return nil
}
