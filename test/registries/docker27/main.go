// Command docker27 serves docker/distribution 2.7.1, the registry of before
// the OCI's first specification, as many installations still run it. It is made of
// the published module's handlers, with the releases of its libraries that a
// module proxy has: the module's own main needs one that isn't published.
//
//	registry27 --listen 127.0.0.1:0 --storage FOLDER
//
// It has no referrers API, keeps its content in a folder and allows deletes. The
// line "listening on 127.0.0.1:PORT" on standard error says that it serves.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/docker/distribution/configuration"
	"github.com/docker/distribution/context"
	"github.com/docker/distribution/registry/handlers"
	_ "github.com/docker/distribution/registry/storage/driver/filesystem"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on, of loopback")
	storage := flag.String("storage", "", "folder of its content")
	flag.Parse()
	if err := serve(*listen, *storage); err != nil {
		fmt.Fprintln(os.Stderr, "docker27:", err)
		os.Exit(1)
	}
}

// serve serves the registry until it fails.
func serve(address, storage string) error {
	if storage == "" {
		return fmt.Errorf("--storage is missing")
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		return fmt.Errorf("%s is not an address of loopback", address)
	}
	config := &configuration.Configuration{Storage: configuration.Storage{
		"filesystem": {"rootdirectory": storage},
		"delete":     {"enabled": true},
	}}
	config.HTTP.Secret = "x"
	registry := handlers.NewApp(context.Background(), config)
	registry.RegisterHealthChecks()
	fmt.Fprintln(os.Stderr, "listening on", listener.Addr())
	return http.Serve(listener, registry)
}
