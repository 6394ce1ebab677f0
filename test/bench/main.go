package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run runs what the arguments say: the measurements, or one of the peers that
// the program starts as processes of their own.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case peerHandler:
			return serveBytes(ctx, args[1:])
		case peerProxy:
			return serveProxy(ctx, args[1:])
		case peerFetcher:
			return fetchAll(ctx, args[1:])
		case peerProbe:
			return probe(ctx, args[1:], stdout)
		case peerLoad:
			return loadIndex(ctx, args[1:])
		case peerDeletes:
			return deleteMany(ctx, args[1:], stdout)
		}
	}
	options, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	return measure(ctx, options, stderr)
}

// options are the flags.
type options struct {
	scenario    *regexp.Regexp
	list        bool
	rounds      int
	duration    time.Duration
	connections int
	threads     int
	out         string
	temp        string
	tools       string
	backref     string
	// before is another build of backref, empty where there is none.
	before  string
	size    sizeOptions
	rebuild rebuildOptions
	copy    copyOptions
	// openReferrers is how many the index of open has.
	openReferrers int
	// typedReferrers is how many the subject of typed has.
	typedReferrers int
	// sidecarRequests is how many requests a sidecar gets at the least.
	sidecarRequests int
}

// sizeOptions say how large the indexes of the size scenario are.
type sizeOptions struct {
	referrers    []int
	repositories int
	subject      int
}

// rebuildOptions say what is rebuilt.
type rebuildOptions struct {
	repositories, manifests int
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{size: sizeOptions{referrers: []int{10_000, 1_000_000}}}
	var seconds float64
	var scenario string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&scenario, "scenario", ".", "measure only what matches the `regexp`; -list shows the names")
	flags.BoolVar(&o.list, "list", false, "list the scenarios and end")
	flags.IntVar(&o.rounds, "rounds", 5, "how often each comparison is made")
	flags.Float64Var(&seconds, "seconds", 5, "how long one measurement takes")
	flags.IntVar(&o.connections, "connections", 16, "connections of the load")
	flags.IntVar(&o.threads, "threads", 2, "threads of wrk")
	flags.StringVar(&o.out, "out", "bench-report", "`folder` for report.md and report.json")
	flags.StringVar(&o.temp, "temp", "", "`folder` for indexes and storage (default that of the system)")
	flags.StringVar(&o.tools, "tools", ".tools/bin", "`folder` with the programs that test/tools bench installs")
	flags.StringVar(&o.backref, "backref", ".tools/bench/backref", "`program` to measure")
	flags.StringVar(&o.before, "before", "", "another `program` to measure beside it, such as an earlier build; a program bench in its folder is taken for this one, built with the earlier store")
	flags.Func("sizes", "referrers in the indexes of size, the first is what the others are compared with (default 10000,1000000)",
		func(s string) (err error) { o.size.referrers, err = parseCounts(s); return err })
	flags.IntVar(&o.size.repositories, "size-repositories", 100_000, "the most repositories of an index of size")
	flags.IntVar(&o.size.subject, "size-subject", 100_000, "referrers of the one large subject in all indexes of size but the first")
	flags.IntVar(&o.copy.referrers, "copy-referrers", 1000, "referrers of the image of copy")
	flags.Int64Var(&o.copy.bytes, "copy-bytes", 256<<20, "bytes of the layers of copy/layers")
	flags.IntVar(&o.rebuild.repositories, "rebuild-repositories", 100, "repositories of rebuild")
	flags.IntVar(&o.rebuild.manifests, "rebuild-manifests", 5000, "manifests of rebuild, over all its repositories")
	flags.IntVar(&o.openReferrers, "open-referrers", 1_000_000, "referrers in the index of open")
	flags.IntVar(&o.typedReferrers, "typed-referrers", 100_000, "referrers of the subject of typed")
	flags.IntVar(&o.sidecarRequests, "sidecar-requests", 20_000, "the least requests after which the memory of a sidecar is looked at")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.scenario, err = regexp.Compile(scenario); err != nil {
		return o, fmt.Errorf("-scenario: %w", err)
	}
	if o.typedReferrers < typedMatching || o.openReferrers < subjectReferrers || o.sidecarRequests < 1 {
		return o, fmt.Errorf("-typed-referrers, -open-referrers, -sidecar-requests: need %d, %d and 1 at the least", typedMatching, subjectReferrers)
	}
	if o.rounds < 1 || seconds <= 0 || o.threads < 1 || o.connections < 1 {
		return o, errors.New("-rounds, -seconds, -threads, -connections: need more than 0")
	}
	if o.rebuild.repositories < 1 || o.rebuild.manifests < o.rebuild.repositories {
		return o, errors.New("-rebuild-manifests: need one for each of -rebuild-repositories")
	}
	o.duration = time.Duration(seconds * float64(time.Second))
	for _, path := range []*string{&o.out, &o.tools, &o.backref, &o.before} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return o, err
		}
	}
	return o, nil
}

func parseCounts(s string) ([]int, error) {
	var counts []int
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number above 0", part)
		}
		counts = append(counts, n)
	}
	return counts, nil
}
