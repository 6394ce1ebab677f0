package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// What a server costs that stands beside another program: memory, the time
// until it answers, and what has to be fetched of it.
const (
	sidecarScenario   = "sidecar"
	sidecarRepository = "bench/sidecar"
	sidecarReferrers  = 10
	// sidecarStarts is how often a server is started in a round.
	sidecarStarts = 10

	metricStart   = "start ms"
	metricUsed    = "after requests MiB"
	metricSlow    = "slow clients MiB"
	metricProgram = "program MiB"
	metricImage   = "image files MiB"
)

func sidecarFamily() family {
	return family{cases: []string{sidecarScenario}, prepare: prepareSidecar}
}

// sidecar are the servers that are compared, in front of a registry or with
// content of their own.
type sidecar struct {
	*stage
	client *client
	image  rig.Manifest
	blob   []byte
}

// sidecarPeer is a server that is started anew for each measurement.
type sidecarPeer struct {
	name  string
	start func() (*server, error)
	// fill puts the content in that a server loses when it ends; nil where it
	// loses none.
	fill func(ctx context.Context, base string) error
	// referrers says that it lists referrers.
	referrers bool
	// image are the files of its image beside the program; nil where that is
	// not known here.
	image []string
}

func prepareSidecar(ctx context.Context, s *stage) ([]comparison, error) {
	c := &sidecar{stage: s, client: newClient(), image: realImage(sidecarRepository), blob: fixedBlob()}
	registry, err := s.registry(distribution2)
	if err != nil {
		return nil, err
	}
	if err := c.push(ctx, registry.url); err != nil {
		return nil, err
	}
	made := comparison{
		name: sidecarScenario,
		about: fmt.Sprintf("A server of its own: from its start to its first answer of /v2/ (median of %d), its resident memory then, after %d requests for a manifest and, where it has them, referrers, and the most under %d clients that read a blob of 64 MiB at %d KiB a second each; the size of its program as it is installed, and of the files of its image.",
			sidecarStarts, s.sidecarRequests, slowClients, slowRate>>10),
		metrics: []string{metricIdle, metricUsed, metricSlow, metricStart, metricProgram, metricImage},
		bases:   []string{nginxProxy},
	}
	peers, err := c.peers(ctx, registry)
	if err != nil {
		return nil, err
	}
	for _, p := range peers {
		made.contenders = append(made.contenders, contender{name: p.name, measure: func(ctx context.Context, duration time.Duration) (sample, error) {
			return c.measure(ctx, p, duration)
		}})
	}
	return []comparison{made}, nil
}

// push pushes what is asked for.
func (c *sidecar) push(ctx context.Context, base string) error {
	if err := c.client.pushEmpty(ctx, base, sidecarRepository); err != nil {
		return err
	}
	if err := c.client.pushBlob(ctx, base, sidecarRepository, digest.FromBytes(c.blob), c.blob); err != nil {
		return err
	}
	_, err := c.client.pushManifest(ctx, base, sidecarRepository, "latest", c.image)
	return err
}

// pushAll pushes referrers too.
func (c *sidecar) pushAll(ctx context.Context, base string) error {
	if err := c.push(ctx, base); err != nil {
		return err
	}
	for i := range sidecarReferrers {
		if _, err := c.client.pushManifest(ctx, base, sidecarRepository, "", referrer(c.image.Descriptor(), sidecarRepository, i)); err != nil {
			return err
		}
	}
	return nil
}

// peers are the contenders. Those that keep their content on the disk are
// started once, to be filled.
func (c *sidecar) peers(ctx context.Context, registry *server) ([]sidecarPeer, error) {
	var peers []sidecarPeer
	for _, of := range c.builds() {
		peers = append(peers, sidecarPeer{
			name: of.contender(backrefName), referrers: true, image: imageFiles(),
			start: func() (*server, error) {
				return c.startBuild(of, "backref", registry.url, filepath.Join(c.dir, "backref"+of.suffix+".db"))
			},
		})
	}
	third := sidecarPeer{name: direct3, start: func() (*server, error) { return c.registry(distribution3) }}
	second := sidecarPeer{name: direct2, start: func() (*server, error) { return c.registryAt(distribution2, "sidecar") }}
	for i, p := range append(peers[:len(peers):len(peers)], second, third) {
		started, err := p.start()
		if err != nil {
			return nil, err
		}
		push := c.push
		if i < len(peers) {
			push = c.pushAll
		}
		if err := errors.Join(push(ctx, started.url), c.stopped(started)); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	peers = append([]sidecarPeer{{name: nginxProxy, start: func() (*server, error) { return c.nginxProxy(registry) }}}, peers...)
	peers = append(peers, second, third,
		sidecarPeer{name: native, referrers: true, fill: c.pushAll, start: c.olareg})
	if _, err := c.tool("zot"); err == nil {
		peers = append(peers, sidecarPeer{name: "zot", referrers: true, fill: c.pushAll, start: c.zot})
	}
	return peers, nil
}

// imageFiles are what the image has beside the program (see Dockerfile), taken
// from this machine and this checkout; nil where they are not there.
func imageFiles() []string {
	files := []string{"/etc/ssl/certs/ca-certificates.crt", "LICENSE"}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			return nil
		}
	}
	return files
}

// measure starts a server several times and works with the last.
func (c *sidecar) measure(ctx context.Context, p sidecarPeer, duration time.Duration) (sample, error) {
	var took []time.Duration
	for range sidecarStarts - 1 {
		begun := time.Now()
		server, err := c.answering(ctx, p)
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
		if err := c.stopped(server); err != nil {
			return nil, err
		}
	}
	begun := time.Now()
	server, err := c.answering(ctx, p)
	if err != nil {
		return nil, err
	}
	took = append(took, time.Since(begun))
	slices.Sort(took)
	values, err := c.use(ctx, p, server, duration)
	if err := errors.Join(err, c.stopped(server)); err != nil {
		return nil, err
	}
	values[metricStart] = milliseconds(percentile(took, 50))
	program, files, err := p.sizes(server)
	if err != nil {
		return nil, err
	}
	values[metricProgram] = mebibytes(program)
	if p.image != nil {
		values[metricImage] = mebibytes(program + files)
	}
	return values, nil
}

// answering starts a server and waits for its first answer.
func (c *sidecar) answering(ctx context.Context, p sidecarPeer) (*server, error) {
	server, err := p.start()
	if err != nil {
		return nil, err
	}
	_, _, err = c.client.send(ctx, http.StatusOK, http.MethodGet, server.url+"/v2/", nil)
	return server, err
}

// stopped ends a server: registries end by a signal as if it were a fault.
func (c *sidecar) stopped(server *server) error {
	c.client.CloseIdleConnections()
	err := server.stop()
	select {
	case <-server.exited:
		return nil
	default:
		return err
	}
}

// use looks at the memory of a server that was just started, one that many
// requests were put to, and one with slow clients.
func (c *sidecar) use(ctx context.Context, p sidecarPeer, server *server, duration time.Duration) (sample, error) {
	pid := server.cmd.Process.Pid
	idle, err := treeMemory(pid)
	if err != nil {
		return nil, err
	}
	if p.fill != nil {
		if err := p.fill(ctx, server.url); err != nil {
			return nil, err
		}
	}
	base := server.url + "/v2/" + sidecarRepository
	paths := []string{"/v2/" + sidecarRepository + "/manifests/" + c.image.Digest().String()}
	if p.referrers {
		paths = append(paths, "/v2/"+sidecarRepository+"/referrers/"+c.image.Digest().String())
	}
	for requests := 0.0; requests < float64(c.sidecarRequests); {
		values, err := c.wrk(ctx, load{server: server, paths: paths, headers: []string{acceptManifests}, connections: c.connections}, duration)
		if err != nil {
			return nil, err
		}
		requests += values[metricRequestCount]
	}
	used, err := treeMemory(pid)
	if err != nil {
		return nil, err
	}
	values, err := watchMemory(ctx, pid, idle, func() (sample, error) {
		return sample{}, slowly(ctx, base+"/blobs/"+digest.FromBytes(c.blob).String(), duration)
	})
	if err != nil {
		return nil, err
	}
	values[metricUsed], values[metricSlow] = mebibytes(used), values[metricMost]
	return values, nil
}

// sizes returns the size of the program that runs, and of the other files of
// its image.
func (p sidecarPeer) sizes(server *server) (program, others int64, err error) {
	info, err := os.Stat(server.cmd.Path)
	if err != nil {
		return 0, 0, err
	}
	for _, name := range p.image {
		other, err := os.Stat(name)
		if err != nil {
			return 0, 0, err
		}
		others += other.Size()
	}
	return info.Size(), others, nil
}

// zot starts an empty zot with the settings that it needs.
func (s *stage) zot() (*server, error) {
	return s.serve("zot", func(address string) (string, []string, error) {
		program, err := s.tool("zot")
		if err != nil {
			return "", nil, err
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return "", nil, err
		}
		file := filepath.Join(s.dir, "zot.json")
		config := fmt.Sprintf(`{"storage": {"rootDirectory": %q}, "http": {"address": %q, "port": %q}, "log": {"level": "error"}}`,
			filepath.Join(s.dir, "zot"), host, port)
		return program, []string{"serve", file}, os.WriteFile(file, []byte(config), 0o600)
	})
}
