package notice

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
)

// Options are what a [Service] is made of. Store, Get and Log are required.
type Options struct {
	Store Store
	// Get returns a record, or [index.ErrNotFound], as [index.Store.Get] does.
	Get func(ctx context.Context, key index.Key) (index.Record, error)
	Log *zap.Logger
	// Metrics is where the service registers its own; nil for nowhere.
	Metrics prometheus.Registerer
	// PublicURL is how clients reach the registry; nil where nobody has said so.
	PublicURL *url.URL
	// Now tells the time; nil for the system's clock.
	Now func() time.Time
}

// Service keeps news as its settings say, sends them to hooks, and answers operators. It
// may be used concurrently.
type Service struct {
	options Options
	client  *http.Client
	metrics metrics
	// floor is the number up to which more notices wait than are kept.
	floor atomic.Uint64

	mutex    sync.Mutex
	settings Settings
	// changed is closed when the settings are other ones.
	changed chan struct{}
}

// New returns a service without settings: see [Service.Prepare].
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{options: o, client: newClient(), metrics: newMetrics(o.Metrics), changed: make(chan struct{})}
}

// Prepare has the index ready for settings, and returns what has them count. With feeds
// or hooks the news are on from then on, so that nothing is missed that arrives before
// [Service.Run] runs; a hook that was never there begins with what arrives from now on.
// Without, they are off, and what was kept is dropped. The error is one of the index.
func (s *Service) Prepare(ctx context.Context, settings Settings) (apply func(), err error) {
	if err := s.options.Store.SetNews(ctx, settings.on()); err != nil {
		return nil, err
	}
	for _, h := range settings.Hooks {
		if err := s.start(ctx, h); err != nil {
			return nil, fmt.Errorf("begin with the hook %s: %w", h.Name, err)
		}
	}
	return func() { s.set(settings) }, nil
}

func (s *Service) set(settings Settings) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.settings.equal(settings) {
		return
	}
	s.metrics.show(s.settings.Hooks, settings.Hooks)
	s.settings = settings
	close(s.changed)
	s.changed = make(chan struct{})
}

// current returns the settings, and a channel that is closed when they are others.
func (s *Service) current() (Settings, <-chan struct{}) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.settings, s.changed
}

// Run sends what is new, each hook by itself, and drops what is not kept, until ctx ends.
// One process is to do so of those that share the index.
func (s *Service) Run(ctx context.Context) {
	for ctx.Err() == nil {
		settings, changed := s.current()
		within, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		if settings.on() {
			running.Go(func() { s.trim(within, settings) })
		}
		for _, h := range settings.Hooks {
			running.Go(func() { s.deliver(within, h.withDefaults()) })
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
		cancel()
		running.Wait()
		s.rest()
	}
}

// rest shows that nothing waits here: what does is shown by the process that sends.
func (s *Service) rest() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.metrics.dead.Set(0)
	for _, h := range s.settings.Hooks {
		s.metrics.age.WithLabelValues(h.Name).Set(0)
	}
}

// Close gives up connections. It is to be called after Run.
func (s *Service) Close() { s.client.CloseIdleConnections() }

// ErrNoHook means that there is no hook of a name.
var ErrNoHook = errors.New("there is no such hook in notices.webhooks")

// ErrRefused means that a receiver did not take what it was sent.
var ErrRefused = errors.New("the message was not delivered")

// Test sends a message to a hook that says nothing but that it is a test. Where its
// receiver takes it, a hook that was stopped by a 410 goes on.
func (s *Service) Test(ctx context.Context, hook string) error {
	settings, _ := s.current()
	h, found := settings.hook(hook)
	if !found {
		return ErrNoHook
	}
	body, err := testMessage(s.options.Now().UTC())
	if err != nil {
		return err
	}
	var random [16]byte
	_, _ = rand.Read(random[:])
	if err := s.send(ctx, h, "msg_"+hex.EncodeToString(random[:]), body); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	p, found, err := readProgress(ctx, s.options.Store, hook)
	if err != nil || !found || p.Gone == "" {
		return err
	}
	p.Gone = ""
	return writeProgress(ctx, s.options.Store, hook, p)
}

// Retry sends a dead letter again, once, under its identifier of before, and drops it
// where it is delivered. The error is [ErrNoLetter], [ErrNoHook], [ErrRefused], or one of
// the index.
func (s *Service) Retry(ctx context.Context, id string) error {
	letter, err := dead(ctx, s.options.Store, id)
	if err != nil {
		return err
	}
	settings, _ := s.current()
	h, found := settings.hook(letter.Hook)
	if !found {
		return ErrNoHook
	}
	if err := s.send(ctx, h, letter.Message, letter.Body); err != nil {
		s.metrics.deliveries.WithLabelValues(h.Name, resultFailed).Inc()
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	s.metrics.deliveries.WithLabelValues(h.Name, resultDelivered).Inc()
	return s.options.Store.DropJournal(ctx, index.BookDeadNotices, id)
}
