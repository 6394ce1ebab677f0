package faults

import (
	"fmt"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// standing is what the clients know of a referrer.
type standing int

const (
	absent  standing = iota // never pushed, or its delete was acknowledged
	present                 // its push was acknowledged
	unknown                 // a push or delete is under way, or had no clear answer
)

// settleTime is how long a request whose outcome is unknown may still reach
// the registry: longer than any fault holds one back.
const settleTime = 3 * time.Second

// owned is a referrer that one client alone pushes and deletes, so that its
// history has an order.
type owned struct {
	manifest rig.Manifest
	digest   digest.Digest
	// standing and version are guarded by the model; every push and delete
	// changes the version when it begins and when it ends.
	standing standing
	version  int
	// before is the standing before the request under way, quiet the time from
	// which no earlier request can take effect. Only the owner uses them.
	before standing
	quiet  time.Time
}

// model is what all clients together know.
type model struct {
	mutex     sync.Mutex
	referrers map[digest.Digest][]*owned // by subject
	problems  []string

	pushed, deleted, unclear, refused int
	queries, unanswered               int
	short, ghosts                     int
}

// add gives the model a referrer that was never pushed.
func (m *model) add(manifest rig.Manifest) *owned {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	o := &owned{manifest: manifest, digest: manifest.Digest()}
	if m.referrers == nil {
		m.referrers = map[digest.Digest][]*owned{}
	}
	subject := manifest.Subject.Digest
	m.referrers[subject] = append(m.referrers[subject], o)
	return o
}

// begin says that a request for a referrer is about to be sent.
func (m *model) begin(o *owned) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	o.before, o.standing = o.standing, unknown
	o.version++
}

// acknowledged ends a request that was carried out, and leaves it so.
func (m *model) acknowledged(o *owned, now standing) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	o.standing = now
	o.version++
	if now == present {
		m.pushed++
	} else {
		m.deleted++
	}
}

// rejected ends a request that certainly had no effect.
func (m *model) rejected(o *owned) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	o.standing = o.before
	o.version++
	m.refused++
}

// lost ends a request of whose effect the client was not told.
func (m *model) lost(o *owned) {
	o.quiet = time.Now().Add(settleTime)
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.unclear++
}

// problem notes what must never happen.
func (m *model) problem(format string, args ...any) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.problems = append(m.problems, fmt.Sprintf(format, args...))
}

// failed tells whether anything happened that must never.
func (m *model) failed() bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.problems) > 0
}

// expectation is what the model knew of a subject when a query began.
type expectation struct {
	of       *owned
	standing standing
	version  int
}

// expect is asked before a query is sent. An empty artifact type is every one.
func (m *model) expect(subject digest.Digest, artifactType string) []expectation {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var expected []expectation
	for _, o := range m.referrers[subject] {
		if artifactType == "" || o.manifest.ArtifactType == artifactType {
			expected = append(expected, expectation{o, o.standing, o.version})
		}
	}
	return expected
}

// check holds a successful answer against what was expected. What was pushed
// or deleted meanwhile may be in it or not.
func (m *model) check(query string, expected []expectation, listed map[digest.Digest]rig.Descriptor) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.queries++
	var missing, risen []digest.Digest
	stable := 0
	for _, e := range expected {
		if e.standing == unknown || e.of.version != e.version {
			continue
		}
		stable++
		_, shown := listed[e.of.digest]
		switch {
		case e.standing == present && !shown:
			missing = append(missing, e.of.digest)
		case e.standing == absent && shown:
			risen = append(risen, e.of.digest)
		}
	}
	if len(missing) > 0 {
		m.short++
		m.problems = append(m.problems, fmt.Sprintf("%s: short list at %s: %d listed, %d of %d expected are missing: %v",
			query, clock(), len(listed), len(missing), stable, missing))
	}
	if len(risen) > 0 {
		m.ghosts++
		m.problems = append(m.problems, fmt.Sprintf("%s: lists at %s what was deleted: %v", query, clock(), risen))
	}
}

func clock() string { return time.Now().Format("15:04:05.000") }

// queryFailed counts a query that got an error, as it may.
func (m *model) queryFailed() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.unanswered++
}

// done returns what was acknowledged and answered so far.
func (m *model) done() (pushed, deleted, queries int) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.pushed, m.deleted, m.queries
}
