package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tool returns the path of a program that test/tools installs, or of one of
// the system.
func (b *bench) tool(name string) (string, error) {
	path := filepath.Join(b.tools, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not installed: run test/tools bench", name)
	}
	return path, nil
}

// The versions of CNCF Distribution, as test/tools names them.
const (
	distribution2 = "registry2"
	distribution3 = "registry3"
)

// registry starts an empty CNCF Distribution with its default settings.
func (s *stage) registry(version string) (*server, error) {
	return s.registryNamed(version, version)
}

// registryNamed is registry for one of several of a version, by its name.
func (s *stage) registryNamed(name, version string) (*server, error) {
	return s.serve(name, func(address string) (string, []string, error) {
		program, err := s.tool(version)
		if err != nil {
			return "", nil, err
		}
		file := filepath.Join(s.dir, name+".yml")
		config := fmt.Sprintf("version: 0.1\nstorage:\n  filesystem: {rootdirectory: %s}\n  delete: {enabled: true}\nhttp: {addr: %s, secret: x}\n",
			filepath.Join(s.dir, name), address)
		return program, []string{"serve", file}, os.WriteFile(file, []byte(config), 0o600)
	})
}

// olareg starts an empty registry with native referrers that keeps everything
// in memory.
func (s *stage) olareg() (*server, error) {
	return s.serve("olareg", func(address string) (string, []string, error) {
		program, err := s.tool("olareg")
		if err != nil {
			return "", nil, err
		}
		host, port, err := net.SplitHostPort(address)
		return program, []string{"serve", "--addr", host, "--port", port, "--store-type", "mem"}, err
	})
}

// startBackref starts backref in front of a registry, with default settings
// but those given as key=value: logs to a file, metrics and the permission
// check on.
func (s *stage) startBackref(name, upstream, index string, settings ...string) (*server, error) {
	return s.serve(name, func(address string) (string, []string, error) {
		args := []string{"serve", "--upstream", upstream, "--listen", address, "--admin-listen", "127.0.0.1:0"}
		if index != "" {
			args = append(args, "--index", index)
		}
		for _, setting := range settings {
			args = append(args, "--set", setting)
		}
		return s.backref, args, nil
	})
}

// unknownSetting says why backref can't be given a setting; empty where it
// can.
func (b *bench) unknownSetting(ctx context.Context, setting string) (string, error) {
	cmd := exec.CommandContext(ctx, b.backref, "config", "--upstream", "http://127.0.0.1:1", "--set", setting)
	output, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return "", nil
	case strings.Contains(string(output), "unknown key"):
		key, _, _ := strings.Cut(setting, "=")
		return "this backref has no setting " + key, nil
	default:
		return "", fmt.Errorf("backref config --set %s: %w: %s", setting, err, output)
	}
}

// self starts this program as one of the peers.
func (s *stage) self(name, peer string, args ...string) (*server, error) {
	return s.serve(name, func(address string) (string, []string, error) {
		program, err := os.Executable()
		return program, append([]string{peer, address}, args...), err
	})
}

// nginx starts nginx with the given content of its server block, and of the
// level above it.
func (s *stage) nginx(name, above, block string) (*server, error) {
	return s.serve(name, func(address string) (string, []string, error) {
		program, err := s.tool("nginx")
		if err != nil {
			return "", nil, err
		}
		dir, err := s.folder(name)
		if err != nil {
			return "", nil, err
		}
		user := ""
		if os.Getuid() == 0 {
			user = "user root;"
		}
		config := fmt.Sprintf(`%s
daemon off;
worker_processes auto;
pid %[2]s/pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_temp_path %[2]s/body;
  proxy_temp_path %[2]s/proxy;
  fastcgi_temp_path %[2]s/fastcgi;
  uwsgi_temp_path %[2]s/uwsgi;
  scgi_temp_path %[2]s/scgi;
  %[3]s
  server {
    listen %[4]s backlog=1024;
    %[5]s
  }
}
`, user, dir, above, address, block)
		file := filepath.Join(dir, "nginx.conf")
		return program, []string{"-p", dir, "-e", "stderr", "-c", file}, os.WriteFile(file, []byte(config), 0o600)
	})
}

// nginxProxy starts nginx as a proxy that keeps connections to the registry
// and buffers nothing.
func (s *stage) nginxProxy(upstream *server) (*server, error) {
	return s.nginx("nginx-proxy", fmt.Sprintf("upstream registry { server %s; keepalive 256; keepalive_requests 1000000000; }", upstream.address), `
    location / {
      proxy_pass http://registry;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
    }`)
}

// nginxFiles starts nginx with a folder of files, sent as index documents.
func (s *stage) nginxFiles(root string) (*server, error) {
	return s.nginx("nginx-files", "open_file_cache max=10000 inactive=1h; open_file_cache_valid 1h;", fmt.Sprintf(`
    root %s;
    types { }
    default_type application/vnd.oci.image.index.v1+json;
    add_header Cache-Control "private, no-cache";`, root))
}

// copyFile copies a file that nobody writes to.
func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
