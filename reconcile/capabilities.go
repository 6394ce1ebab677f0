package reconcile

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"

	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/probe"
)

// capabilitiesTime bounds one look at what a registry can do.
const capabilitiesTime = 2 * time.Minute

// Capabilities is what the registry can and can't do, as far as reading shows. It is
// asked only as the service, which has credentials or needs none. Each process has its
// own. It may be used concurrently.
type Capabilities struct {
	registry *upstream.Registry
	name     string
	log      *zap.Logger
	now      func() time.Time
	// due holds a value while the registry is to be asked.
	due chan struct{}

	mutex sync.Mutex
	found *probe.Report
	// waiting are told what is found next.
	waiting []chan<- *probe.Report
}

// NewCapabilities returns what is known of a registry, which is nothing yet. The
// registry is asked without its shims; name is its URL, without a password.
func NewCapabilities(registry *upstream.Registry, name string, log *zap.Logger) *Capabilities {
	return &Capabilities{registry: registry.Bare(), name: name, log: log, now: time.Now, due: make(chan struct{}, 1)}
}

// Renew has [Capabilities.Run] ask the registry soon. It does not wait.
func (c *Capabilities) Renew() {
	select {
	case c.due <- struct{}{}:
	default:
	}
}

// Run asks the registry whenever that is due, until ctx ends.
func (c *Capabilities) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.due:
		}
		c.mutex.Lock()
		waiting := c.waiting
		c.waiting = nil
		c.mutex.Unlock()
		found := c.look(ctx)
		if ctx.Err() != nil {
			return
		}
		c.keep(found)
		for _, who := range waiting {
			who <- found
		}
	}
}

// Found returns what was found last.
func (c *Capabilities) Found() *probe.Report {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.found != nil {
		return c.found
	}
	return probe.Unasked(c.name, "the registry has not been asked yet", c.now())
}

// look asks the registry.
func (c *Capabilities) look(ctx context.Context) *probe.Report {
	if _, configured := c.registry.Service(); !configured {
		return probe.Unasked(c.name, "upstream.service is not set, so that backref asks nothing by itself", c.now())
	}
	ctx, cancel := context.WithTimeout(ctx, capabilitiesTime)
	defer cancel()
	return probe.Run(ctx, probe.Options{Registry: c.registry, Name: c.name, Now: c.now()})
}

// askAgain has the registry asked by [Capabilities.Run], from now on, and waits for
// what is found. The error is that of ctx.
func (c *Capabilities) askAgain(ctx context.Context) (*probe.Report, error) {
	// Who is told does not wait for who has left.
	told := make(chan *probe.Report, 1)
	c.mutex.Lock()
	c.waiting = append(c.waiting, told)
	c.mutex.Unlock()
	c.Renew()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case found := <-told:
		return found, nil
	}
}

// keep keeps what was found, and logs it where the verdicts are others than before.
func (c *Capabilities) keep(found *probe.Report) {
	c.mutex.Lock()
	before := c.found
	c.found = found
	c.mutex.Unlock()
	if found.Fault != "" || found.Same(before) {
		return
	}
	if yes, no := found.Of(probe.Yes), found.Of(probe.No); len(yes)+len(no) > 0 {
		c.log.Info("what the upstream registry can do", zap.String("repository", found.Repository),
			zap.Strings("yes", yes), zap.Strings("no", no), zap.Strings("unknown", found.Of(probe.Unknown)))
	}
}

// Routes adds to the admin API of the index:
//
//	GET  /upstream  what was found last; answers a probe.Report
//	POST /upstream  asks the registry again; answers a probe.Report
func (c *Capabilities) Routes(router chi.Router) {
	router.Get("/upstream", func(w http.ResponseWriter, _ *http.Request) { writeReport(w, c.Found()) })
	router.Post("/upstream", func(w http.ResponseWriter, req *http.Request) {
		// Where the client has gone there is nobody to answer.
		if found, err := c.askAgain(req.Context()); err == nil {
			writeReport(w, found)
		}
	})
}

func writeReport(w http.ResponseWriter, report *probe.Report) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(report)
}
