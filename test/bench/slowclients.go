package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// slowClients read at once.
	slowClients = 500
	// slowRate is how much each reads in a second, in bytes.
	slowRate = 16 << 10
	// slowPieces is in how many pieces it does so.
	slowPieces = 8
	// slowBuffer is how much the system keeps for a client that has not read
	// it, in bytes.
	slowBuffer = 16 << 10
)

// slowly has many clients read an answer at a slow rate for a time, and then
// leave. Each has to be sent something all the while.
func slowly(ctx context.Context, address string, duration time.Duration) error {
	target, err := url.Parse(address)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for i := range slowClients {
		group.Go(func() error {
			if err := readSlowly(ctx, target, duration); err != nil {
				return fmt.Errorf("slow client %d: %w", i, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func readSlowly(ctx context.Context, target *url.URL, duration time.Duration) error {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", target.Host)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	if tcp, is := connection.(*net.TCPConn); is {
		if err := tcp.SetReadBuffer(slowBuffer); err != nil {
			return err
		}
	}
	if err := connection.SetDeadline(time.Now().Add(duration + workGrace)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target.Path, target.Host); err != nil {
		return err
	}
	piece := make([]byte, slowRate/slowPieces)
	pace := time.NewTicker(time.Second / slowPieces)
	defer pace.Stop()
	for end := time.Now().Add(duration); time.Now().Before(end); {
		if _, err := connection.Read(piece); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pace.C:
		}
	}
	return nil
}
