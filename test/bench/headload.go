package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// headLoad asks for a manifest by HEAD, over and over, on as many connections
// as the load has. wrk can't: it waits for the body. The requests are written
// and the answers read without net/http, whose cost would be measured too.
func headLoad(ctx context.Context, l load, duration time.Duration) (sample, error) {
	request := fmt.Sprintf("HEAD %s HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", l.paths[0], l.server.address, strings.Join(l.headers, "\r\n"))
	return drive(ctx, l.connections, duration, func(ctx context.Context) (worker, error) {
		var dialer net.Dialer
		connection, err := dialer.DialContext(ctx, "tcp", l.server.address)
		if err != nil {
			return worker{}, err
		}
		reader := bufio.NewReader(connection)
		return worker{
			work: func(ctx context.Context) error {
				if deadline, set := ctx.Deadline(); set {
					if err := connection.SetDeadline(deadline); err != nil {
						return err
					}
				}
				if _, err := connection.Write([]byte(request)); err != nil {
					return err
				}
				return readHead(reader)
			},
			close: func() { _ = connection.Close() },
		}, nil
	})
}

// readHead reads an answer without body, which has to be a success.
func readHead(reader *bufio.Reader) error {
	status, err := reader.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(status), "HTTP/1.1 200") {
		return fmt.Errorf("answer: %s", strings.TrimSpace(string(status)))
	}
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if strings.EqualFold(strings.TrimSpace(string(line)), "connection: close") {
			return errors.New("the server closes the connection after an answer")
		}
		if len(line) <= len("\r\n") {
			return nil
		}
	}
}
