package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backref/backref/test/rig"
)

// Listings whose index is in a database that several replicas share.
const (
	embeddedName = "backref, embedded index"
	sharedBefore = backrefPostgres + ", before"

	sharedRepository = "bench/shared"
	// sharedReplicas is how many replicas there are where there is not one.
	sharedReplicas = 3
	// pacedPushes is how many pushes a second go to other subjects.
	pacedPushes = 500
	// pacedClients is how many of them are under way at the most.
	pacedClients = 32
)

// sharedCase is a listing that is asked of one replica or several, idle or
// while others push.
type sharedCase struct {
	entries          int
	replicas, pushed bool
}

func (c sharedCase) name() string {
	name := fmt.Sprintf("postgres/%d", c.entries)
	if c.replicas {
		name += "/replicas"
	}
	if c.pushed {
		name += "/pushed"
	}
	return name
}

func (c sharedCase) about() string {
	about := fmt.Sprintf("All of %d referrers, warm, with the index in a PostgreSQL of default settings", c.entries)
	if c.replicas {
		about += fmt.Sprintf("; %d replicas have it, and a third of the connections each", sharedReplicas)
	}
	if c.pushed {
		about += fmt.Sprintf("; meanwhile up to %d referrers a second are pushed to %d other subjects through the first", pacedPushes, manySubjects)
	}
	return about + "."
}

func sharedCases() []sharedCase {
	var cases []sharedCase
	for _, entries := range []int{10, 100, 1000} {
		for _, replicas := range []bool{false, true} {
			cases = append(cases, sharedCase{entries, replicas, false}, sharedCase{entries, replicas, true})
		}
	}
	return cases
}

func sharedFamily() family {
	f := family{prepare: prepareShared}
	for _, c := range sharedCases() {
		f.cases = append(f.cases, c.name())
	}
	return f
}

// sharedListings are the backrefs that are asked.
type sharedListings struct {
	*stage
	registry *server
	client   *client
	all      []replicas
	run      atomic.Int64
}

// replicas have one index.
type replicas struct {
	name    string
	servers []*server
}

func prepareShared(ctx context.Context, s *stage) ([]comparison, error) {
	l := &sharedListings{stage: s, client: newClient()}
	var err error
	if l.registry, err = s.registry(distribution2); err != nil {
		return nil, err
	}
	database, err := s.postgres()
	if err != nil {
		return nil, err
	}
	embedded, err := s.startBackref("backref", l.registry.url, filepath.Join(s.dir, "backref.db"))
	if err != nil {
		return nil, err
	}
	l.all = []replicas{{name: embeddedName, servers: []*server{embedded}}}
	for _, of := range s.builds() {
		shared := replicas{name: of.contender(backrefPostgres)}
		for i := range sharedReplicas {
			replica, err := s.startBuild(of, fmt.Sprintf("backref-postgres-%d", i), l.registry.url, "",
				"index.postgres.url="+database.URL, "index.postgres.schema="+of.schema())
			if err != nil {
				return nil, err
			}
			shared.servers = append(shared.servers, replica)
		}
		l.all = append(l.all, shared)
	}
	for _, repository := range []string{sharedRepository, pushRepository} {
		if err := l.client.pushEmpty(ctx, l.registry.url, repository); err != nil {
			return nil, err
		}
	}
	var comparisons []comparison
	filled := map[int]bool{}
	for _, c := range sharedCases() {
		if !s.scenario.MatchString(c.name()) {
			continue
		}
		if !filled[c.entries] {
			filled[c.entries] = true
			if err := l.fill(ctx, c.entries); err != nil {
				return nil, err
			}
		}
		comparisons = append(comparisons, l.comparison(c))
	}
	return comparisons, nil
}

// subject is what so many referrers refer to.
func (l *sharedListings) subject(entries int) rig.Descriptor {
	return subjectOf(sharedSubject(entries))
}

func sharedSubject(entries int) string { return fmt.Sprintf("shared %d", entries) }

func (l *sharedListings) path(entries int) string {
	return "/v2/" + sharedRepository + "/referrers/" + l.subject(entries).Digest.String()
}

// fill pushes the referrers of a subject through the first replica of each
// index, and sees that all replicas list the same.
func (l *sharedListings) fill(ctx context.Context, entries int) error {
	// Who asks has to be let read it.
	if _, err := l.client.pushManifest(ctx, l.registry.url, sharedRepository, "", rig.Image(sharedSubject(entries))); err != nil {
		return err
	}
	var want [][]byte
	for _, of := range l.all {
		for i := range entries {
			m := referrer(l.subject(entries), sharedRepository, i)
			if _, err := l.client.pushManifest(ctx, of.servers[0].url, sharedRepository, "", m); err != nil {
				return fmt.Errorf("%s: %w", of.name, err)
			}
		}
		for i, replica := range of.servers {
			_, bodies, err := l.client.pages(ctx, replica.url, l.path(entries))
			if err != nil {
				return fmt.Errorf("%s: %w", of.name, err)
			}
			if want == nil {
				want = bodies
			}
			if len(bodies) != 1 || !bytes.Equal(bodies[0], want[0]) {
				return fmt.Errorf("%s, replica %d: another listing of %d referrers than expected", of.name, i, entries)
			}
		}
	}
	return nil
}

func (l *sharedListings) comparison(c sharedCase) comparison {
	made := comparison{
		name: c.name(), about: c.about(), metrics: []string{metricRequests, metricP50, metricP99},
		bases: []string{embeddedName}, warm: true,
	}
	if c.pushed {
		made.metrics = append(made.metrics, metricPushes)
	}
	if l.before != "" {
		made.bases = append(made.bases, sharedBefore)
	}
	for _, of := range l.all {
		servers := of.servers
		if !c.replicas {
			servers = servers[:1]
		}
		ask := func(ctx context.Context, duration time.Duration) (sample, error) {
			return l.wrkEach(ctx, load{paths: []string{l.path(c.entries)}, connections: l.connections}, servers, duration)
		}
		made.contenders = append(made.contenders, contender{name: of.name, measure: func(ctx context.Context, duration time.Duration) (sample, error) {
			if c.pushed {
				return l.underPushes(ctx, servers[0], func(ctx context.Context) (sample, error) { return ask(ctx, duration) })
			}
			return ask(ctx, duration)
		}})
	}
	return made
}

// wrkEach shares a load out among servers: the rates add up, of the latencies
// it is the mean of the medians and the worst 99th percentile.
func (s *stage) wrkEach(ctx context.Context, l load, servers []*server, duration time.Duration) (sample, error) {
	l.connections = max(1, l.connections/len(servers))
	all, errs := make([]sample, len(servers)), make([]error, len(servers))
	var group sync.WaitGroup
	for i, server := range servers {
		own := l
		own.server = server
		group.Go(func() { all[i], errs[i] = s.wrk(ctx, own, duration) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	total := sample{}
	for _, one := range all {
		for _, metric := range []string{metricRequests, metricMegabyte, metricRequestCount, metricBytes} {
			total[metric] += one[metric]
		}
		total[metricP50] += one[metricP50] / float64(len(all))
		total[metricP99] = max(total[metricP99], one[metricP99])
	}
	return total, nil
}

// underPushes measures while referrers are pushed to other subjects at a pace,
// and adds the rate that the pushes reached.
func (l *sharedListings) underPushes(ctx context.Context, to *server, measure func(context.Context) (sample, error)) (sample, error) {
	own := newClient()
	defer own.CloseIdleConnections()
	pushing, stop := context.WithCancel(ctx)
	defer stop()
	run := fmt.Sprintf("shared %d", l.run.Add(1))
	begun := time.Now()
	var next, done atomic.Int64
	errs := make([]error, pacedClients)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			for errs[i] == nil {
				number := next.Add(1)
				// Pushes that are late are made up for, as far as clients are free.
				due := begun.Add(time.Duration(number) * time.Second / pacedPushes)
				select {
				case <-pushing.Done():
					return
				case <-time.After(time.Until(due)):
				}
				m := referrer(subjectOf(fmt.Sprint("subject ", number%manySubjects)), run, int(number))
				// A push that is under way goes to its end.
				if _, errs[i] = own.pushManifest(ctx, to.url, pushRepository, "", m); errs[i] == nil {
					done.Add(1)
				}
			}
		})
	}
	values, err := measure(ctx)
	stop()
	group.Wait()
	elapsed := time.Since(begun).Seconds()
	if err := errors.Join(err, errors.Join(errs...)); err != nil {
		return nil, err
	}
	values[metricPushes] = float64(done.Load()) / elapsed
	return values, nil
}
