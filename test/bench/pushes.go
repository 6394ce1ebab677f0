package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/backref/backref/test/rig"
)

const (
	pushRepository = "bench/pushes"
	// manySubjects is to how many subjects pushes go that go to many.
	manySubjects = 1000
	metricPushes = "pushes/s"
	// backrefPostgres is a backref whose index is in PostgreSQL.
	backrefPostgres = "backref, PostgreSQL"
)

func pushCases() []pushCase {
	return []pushCase{{16, true}, {16, false}, {64, true}, {64, false}}
}

// pushCase says who pushes to what.
type pushCase struct {
	clients int
	many    bool
}

func (p pushCase) name() string {
	if p.many {
		return fmt.Sprintf("pushes/%d-to-many", p.clients)
	}
	return fmt.Sprintf("pushes/%d-to-one", p.clients)
}

func pushesFamily() family {
	f := family{prepare: preparePushes}
	for _, p := range pushCases() {
		f.cases = append(f.cases, p.name())
	}
	return f
}

// pushes are pushes of referrers to servers.
type pushes struct {
	*stage
	// run counts the measurements, so that none pushes what is there.
	run atomic.Int64
}

func preparePushes(ctx context.Context, s *stage) ([]comparison, error) {
	registry, err := s.registry(distribution2)
	if err != nil {
		return nil, err
	}
	plain, err := s.self("reverse-proxy", peerProxy, registry.url)
	if err != nil {
		return nil, err
	}
	contestants := []peer{{name: direct2, server: registry}, {name: directByTag, server: registry, byTag: true}, {name: reverseProxy, server: plain}}
	if err := newClient().pushEmpty(ctx, registry.url, pushRepository); err != nil {
		return nil, err
	}
	database, err := s.postgres()
	if err != nil {
		return nil, err
	}
	for _, of := range s.builds() {
		backref, err := s.startBuild(of, "backref", registry.url, filepath.Join(s.dir, "backref"+of.suffix+".db"))
		if err != nil {
			return nil, err
		}
		contestants = append(contestants, peer{name: of.contender(backrefName), server: backref, lists: true})
	}
	for _, of := range s.builds() {
		shared, err := s.startBuild(of, "backref-postgres", registry.url, "", "index.postgres.url="+database.URL, "index.postgres.schema="+of.schema())
		if err != nil {
			return nil, err
		}
		contestants = append(contestants, peer{name: of.contender(backrefPostgres), server: shared, lists: true})
	}
	p := &pushes{stage: s}
	var comparisons []comparison
	for _, c := range pushCases() {
		to := "one subject, a new one each time"
		if c.many {
			to = fmt.Sprintf("%d subjects in turn", manySubjects)
		}
		made := comparison{
			name: c.name(), about: fmt.Sprintf("Referrers pushed by %d clients at once to %s.", c.clients, to),
			metrics: []string{metricPushes, metricP50, metricP99}, bases: []string{direct2, directByTag, reverseProxy}, warm: true,
		}
		for _, contestant := range contestants {
			made.contenders = append(made.contenders, contender{
				name: contestant.name,
				measure: func(ctx context.Context, duration time.Duration) (sample, error) {
					return p.measure(ctx, c, contestant, duration)
				},
			})
		}
		comparisons = append(comparisons, made)
	}
	return comparisons, nil
}

// measure pushes, and asks backref afterwards whether it lists all that it
// acknowledged.
func (p *pushes) measure(ctx context.Context, c pushCase, to peer, duration time.Duration) (sample, error) {
	run := fmt.Sprintf("run-%d", p.run.Add(1))
	subjects := []rig.Descriptor{subjectOf(run)}
	if c.many {
		subjects = make([]rig.Descriptor, manySubjects)
		for i := range subjects {
			subjects[i] = subjectOf(fmt.Sprint("subject ", i))
		}
	}
	shared := newClient()
	defer shared.CloseIdleConnections()
	var next, acknowledged atomic.Int64
	values, err := drive(ctx, c.clients, duration, func(context.Context) (worker, error) {
		return worker{
			work: func(ctx context.Context) error {
				number := int(next.Add(1))
				m := referrer(subjects[number%len(subjects)], run, number)
				header, err := shared.pushManifest(ctx, to.server.url, pushRepository, to.tag(m), m)
				if err != nil {
					return err
				}
				if to.lists && header.Get("OCI-Subject") == "" {
					return errors.New("the answer has no OCI-Subject")
				}
				acknowledged.Add(1)
				return nil
			},
			close: func() {},
		}, nil
	})
	if err != nil {
		return nil, err
	}
	values[metricPushes] = values[metricRequests]
	if !to.lists || c.many {
		return values, nil
	}
	return values, mustList(ctx, shared, to.server.url, subjects[0], int(acknowledged.Load()))
}

// tag returns the tag that a referrer is pushed under, empty where it is pushed
// by its digest.
func (p peer) tag(m rig.Manifest) string {
	if !p.byTag {
		return ""
	}
	return "sha256-" + m.Digest().Encoded() + ".referrer"
}

// mustList fails where a listing lacks what was acknowledged.
func mustList(ctx context.Context, client *client, base string, subject rig.Descriptor, want int) error {
	_, bodies, err := client.pages(ctx, base, "/v2/"+pushRepository+"/referrers/"+subject.Digest.String())
	if err != nil {
		return err
	}
	listed := 0
	for _, body := range bodies {
		digests, err := entries(body)
		if err != nil {
			return err
		}
		listed += len(digests)
	}
	if listed != want {
		return fmt.Errorf("%d referrers are listed of %d that were acknowledged", listed, want)
	}
	return nil
}
