package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// The names of contenders, which goals refer to.
const (
	nginxFiles  = "nginx, static file"
	handlerOnly = "net/http handler"
	native      = "olareg, native referrers"
	backrefName = "backref"
	noPageCache = "backref, page cache off"
	noPermitted = "backref, permission cache off"
)

// The listings that are asked for.
const (
	allEntries      = ""
	filteredEntries = "/filtered"
	pagedEntries    = "/paged"
)

// listingCase is a listing that all contenders give.
type listingCase struct {
	entries int
	kind    string
}

func (l listingCase) name() string {
	return fmt.Sprintf("referrers/%d%s", l.entries, l.kind)
}

// repository is where its referrers are.
func (l listingCase) repository() string {
	return fmt.Sprintf("bench/entries-%d", l.entries)
}

// path is what backref is asked first.
func (l listingCase) path() string {
	path := "/v2/" + l.repository() + "/referrers/" + subjectOf(l.repository()).Digest.String()
	switch l.kind {
	case filteredEntries:
		return path + "?artifactType=" + url.QueryEscape(typeAttestation)
	case pagedEntries:
		return fmt.Sprintf("%s?n=%d", path, max(1, l.entries/10))
	default:
		return path
	}
}

func (l listingCase) about() string {
	switch l.kind {
	case filteredEntries:
		return fmt.Sprintf("Of %d referrers, the half that `artifactType=` selects.", l.entries)
	case pagedEntries:
		return fmt.Sprintf("%d referrers in pages of `n=%d`, each page in turn.", l.entries, max(1, l.entries/10))
	default:
		return fmt.Sprintf("All of %d referrers.", l.entries)
	}
}

func listingCases() []listingCase {
	var cases []listingCase
	for _, entries := range []int{1, 10, 100, 1000} {
		cases = append(cases, listingCase{entries, allEntries})
		if entries > 1 {
			cases = append(cases, listingCase{entries, filteredEntries}, listingCase{entries, pagedEntries})
		}
	}
	return cases
}

func referrersFamily() family {
	f := family{prepare: prepareReferrers}
	for _, l := range listingCases() {
		f.cases = append(f.cases, l.name())
	}
	return f
}

// listings are the servers that give the listings.
type listings struct {
	*stage
	client *client
	// files is the folder of the answers as files.
	files string
	// servers are the contenders in order, before those of another build.
	servers, before []listingServer
}

// listingServer is a contender. Those that give ready answers have a path of
// their own for each page.
type listingServer struct {
	name    string
	server  *server
	skipped string
	ready   bool
}

// prepareReferrers pushes referrers through backref and to the registry that
// has them natively, and writes backref's answers to files for those that only
// send them.
func prepareReferrers(ctx context.Context, s *stage) ([]comparison, error) {
	l := &listings{stage: s, client: newClient()}
	var err error
	if l.files, err = s.folder("files"); err != nil {
		return nil, err
	}
	registry, err := s.registry(distribution2)
	if err != nil {
		return nil, err
	}
	olareg, err := s.olareg()
	if err != nil {
		return nil, err
	}
	filled := filepath.Join(s.dir, "filled.db")
	first, err := s.startBackref("backref-filling", registry.url, filled)
	if err != nil {
		return nil, err
	}
	answers := map[string]answers{}
	filling := []*server{first, olareg}
	// Another build may not read the index of this one: it has its own.
	for _, of := range s.builds()[1:] {
		before, err := s.startBuild(of, "backref", registry.url, filepath.Join(s.dir, "backref"+of.suffix+".db"))
		if err != nil {
			return nil, err
		}
		filling = append(filling, before)
		l.before = append(l.before, listingServer{name: of.contender(backrefName), server: before})
	}
	if err := l.fill(ctx, filling...); err != nil {
		return nil, err
	}
	for _, c := range l.selected() {
		if answers[c.name()], err = l.save(ctx, first, c); err != nil {
			return nil, err
		}
	}
	if err := first.stop(); err != nil {
		return nil, err
	}
	if err := l.start(ctx, registry, olareg, filled); err != nil {
		return nil, err
	}
	var comparisons []comparison
	for _, c := range l.selected() {
		comparison, err := l.comparison(ctx, c, answers[c.name()])
		if err != nil {
			return nil, err
		}
		comparisons = append(comparisons, comparison)
	}
	return comparisons, nil
}

// selected are the cases that are measured.
func (l *listings) selected() []listingCase {
	return slices.DeleteFunc(listingCases(), func(c listingCase) bool { return !l.scenario.MatchString(c.name()) })
}

// fill pushes the subjects and their referrers.
func (l *listings) fill(ctx context.Context, servers ...*server) error {
	filled := map[int]bool{}
	for _, c := range l.selected() {
		if filled[c.entries] {
			continue
		}
		filled[c.entries] = true
		for _, server := range servers {
			if err := l.client.pushEmpty(ctx, server.url, c.repository()); err != nil {
				return err
			}
			if _, err := l.client.pushManifest(ctx, server.url, c.repository(), "latest", rig.Image(c.repository())); err != nil {
				return err
			}
			for i := range c.entries {
				m := referrer(subjectOf(c.repository()), c.repository(), i)
				if _, err := l.client.pushManifest(ctx, server.url, c.repository(), "", m); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// answers are what a listing has to be.
type answers struct {
	// paths are those of backref, files those of ready answers, bodies belong
	// to both.
	paths, files []string
	bodies       [][]byte
}

// save keeps backref's answers as files, each at a path of the same length as
// the one that it was asked at, without what files don't know.
func (l *listings) save(ctx context.Context, backref *server, c listingCase) (answers, error) {
	paths, bodies, err := l.client.pages(ctx, backref.url, c.path())
	if err != nil {
		return answers{}, err
	}
	a := answers{paths: paths, bodies: bodies}
	for i, body := range bodies {
		_, query, _ := bytes.Cut([]byte(paths[i]), []byte("?"))
		folder := fmt.Sprintf("/v2/%s/%s%d", c.repository(), filepath.Base("ref"+c.kind), i)
		file := folder + "/" + subjectOf(c.repository()).Digest.String()
		if err := os.MkdirAll(l.files+folder, 0o755); err != nil {
			return a, err
		}
		if err := os.WriteFile(l.files+file, body, 0o644); err != nil {
			return a, err
		}
		if len(query) > 0 {
			file += "?" + string(query)
		}
		a.files = append(a.files, file)
	}
	return a, nil
}

// start starts the contenders: backref several times, with an index each.
func (l *listings) start(ctx context.Context, registry, olareg *server, filled string) error {
	files, err := l.nginxFiles(l.files)
	if err != nil {
		return err
	}
	handler, err := l.self("handler", peerHandler, l.files)
	if err != nil {
		return err
	}
	l.servers = []listingServer{
		{name: nginxFiles, server: files, ready: true}, {name: handlerOnly, server: handler, ready: true}, {name: native, server: olareg},
	}
	for i, variant := range []struct{ name, setting string }{
		{backrefName, ""}, {noPageCache, "cache.pages=0"}, {noPermitted, "permissions.cacheTTL=0s"},
	} {
		var settings []string
		contender := listingServer{name: variant.name}
		if variant.setting != "" {
			settings = []string{variant.setting}
			if contender.skipped, err = l.today().unknownSetting(ctx, variant.setting); err != nil {
				return err
			}
		}
		if contender.skipped == "" {
			index := filepath.Join(l.dir, fmt.Sprintf("index-%d.db", i))
			if err := copyFile(filled, index); err != nil {
				return err
			}
			if contender.server, err = l.startBackref(fmt.Sprintf("backref-%d", i), registry.url, index, settings...); err != nil {
				return err
			}
		}
		l.servers = append(l.servers, contender)
	}
	l.servers = append(l.servers, l.before...)
	return nil
}

// comparison puts a listing to all contenders once, to see that they answer
// right, and returns how they are measured.
func (l *listings) comparison(ctx context.Context, c listingCase, want answers) (comparison, error) {
	made := comparison{
		name: c.name(), about: c.about(), metrics: []string{metricRequests, metricP50, metricP99, metricCPURequest},
		bases: []string{nginxFiles, handlerOnly, native}, warm: true,
	}
	for _, server := range l.servers {
		paths := want.paths
		if server.ready {
			paths = want.files
		}
		if server.name == native && c.kind == pagedEntries {
			server.skipped = "it has no `n=`"
		}
		if server.skipped == "" {
			if err := l.check(ctx, server, paths, want.bodies); err != nil {
				return made, fmt.Errorf("%s: %s: %w", c.name(), server.name, err)
			}
		}
		made.contenders = append(made.contenders, contender{
			name: server.name, skipped: server.skipped,
			measure: func(ctx context.Context, duration time.Duration) (sample, error) {
				return server.server.watchCPU(func() (sample, error) {
					return l.wrk(ctx, load{server: server.server, paths: paths, connections: l.connections}, duration)
				})
			},
		})
	}
	return made, nil
}

// check asks for each page once: the same bytes, of a registry of its own the
// same entries.
func (l *listings) check(ctx context.Context, s listingServer, paths []string, bodies [][]byte) error {
	for i, path := range paths {
		_, body, err := l.client.send(ctx, 200, "GET", s.server.url+path, nil)
		if err != nil {
			return err
		}
		if s.name != native {
			if !bytes.Equal(body, bodies[i]) {
				return fmt.Errorf("%s: other bytes than expected", path)
			}
			continue
		}
		got, err := entries(body)
		if err != nil {
			return err
		}
		want, err := entries(bodies[i])
		if err != nil {
			return err
		}
		if !sameDigests(got, want) {
			return fmt.Errorf("%s: %d other entries than the %d expected", path, len(got), len(want))
		}
	}
	return nil
}

func sameDigests(a, b []digest.Digest) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
