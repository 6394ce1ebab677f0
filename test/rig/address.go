package rig

import (
	"net"
	"testing"
)

// FreeAddress returns an address on loopback where nobody listens just now. It is
// for programs that can't be told to take any port that is free.
func FreeAddress(t testing.TB) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	return free.Addr().String()
}
