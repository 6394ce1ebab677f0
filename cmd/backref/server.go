package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
	"github.com/backref/backref/notice"
	"github.com/backref/backref/proxy"
	"github.com/backref/backref/proxy/admin"
	"github.com/backref/backref/proxy/wrap"
	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/signin"
	"github.com/backref/backref/trust"
	"github.com/backref/backref/upstream"
	"github.com/backref/backref/upstream/routes"
	"github.com/backref/backref/upstream/split"
)

// server is the whole program that serve runs: it owns the index, the
// upstream's connections and the listeners.
type server struct {
	config   config.Config
	logs     *logs
	tracing  tracing
	log      *zap.Logger
	store    index.Maintainer
	upstream *upstream.Registry
	// split is what stands beside that.
	split split.Options
	// routes are the further registries; nil for none.
	routes *routes.Table
	proxy  *proxy.Proxy
	// front is the main listener for registry clients, further are the others.
	front   listener
	further []listener
	admin   listener
	// began is when the server was made, and draining since when it is about to
	// end; nil while it is not.
	began    time.Time
	draining atomic.Pointer[time.Time]
	// manager hears when requests are served and when that ends.
	manager serviceManager
	writes  writesCheck
	lookout *reconcile.Lookout
	// capabilities is what the registry can do.
	capabilities *reconcile.Capabilities
	// reloader takes changes of the configuration while the server runs, of which
	// config says how it began.
	reloader *reloader
	token    atomic.Value
	signIn   *signin.Door
	pages    pages
	source   *reconcile.Source
	// retention is what is said of it now.
	retention atomic.Pointer[reconcile.RetentionSettings]
	// coverage is what is said now of which images are watched.
	coverage atomic.Pointer[reconcile.CoverageSettings]
	audit    *reconcile.Audit
	notices  *notice.Service
	// verifier judges signatures by what is configured now.
	verifier atomic.Pointer[trust.Verifier]
	// background is what runs beside requests until ctx ends.
	background []func(ctx context.Context)
}

// listener is an address that requests are accepted on. The admin listener
// may be off, and is then zero.
type listener struct {
	net.Listener
	// name is that of a further listener for registry clients.
	name   string
	server *http.Server
	// certificates are nil for plain HTTP.
	certificates *certificates
}

// closingTime is how long the end may take once no request is under way.
const closingTime = 15 * time.Second

// newServer opens the index and the listeners. Nothing is served before Run.
func newServer(ctx context.Context, cfg config.Config, logs io.Writer) (*server, error) {
	written, err := newLogs(cfg.Log, logs)
	if err != nil {
		return nil, err
	}
	s := &server{config: cfg, began: time.Now(), logs: written, log: written.Logger}
	s.reloader = newReloader(s)
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close(), s.logs.Close())
	}
	return s, nil
}

func (s *server) open(ctx context.Context) error {
	var err error
	if s.tracing, err = newTracing(ctx, s.config.Tracing, s.log); err != nil {
		return err
	}
	metrics := prometheus.NewRegistry()
	store, err := openMeasured(ctx, s.config.Index, s.log, s.tracing, metrics)
	if err != nil {
		return err
	}
	s.store = store
	s.split, err = options.Split(s.config, store, s.log, func(o *upstream.Options) { o.Tracer = s.tracing.tracer() })
	if err != nil {
		return err
	}
	s.upstream, s.routes, err = options.Behind(s.config.Upstream, s.split, store, s.log, func(o *upstream.Options) {
		o.Metrics, o.Tracer = metrics, s.tracing.tracer()
	})
	if err != nil {
		return err
	}
	s.measure(metrics, store)
	if err := s.openNotices(metrics); err != nil {
		return err
	}
	handler, err := s.openDoor(metrics)
	if err != nil {
		return err
	}
	s.lookout = reconcile.NewLookout(s.upstream, s.config.Upstream.CheckInterval, s.log, metrics)
	s.capabilities = reconcile.NewCapabilities(s.upstream, s.config.Upstream.URL.Redacted(), s.log)
	s.lookout.TellUsable(s.capabilities.Renew)
	s.background = append(s.background, s.lookout.Run, s.capabilities.Run)
	if s.front, err = s.listen("server", s.config.Server.Listen, s.config.Server.TLS, handler); err != nil {
		return err
	}
	if err := s.listenFurther(handler); err != nil {
		return err
	}
	s.reloader.begin(metrics)
	for _, prepare := range []part{s.prepareRetention, s.prepareVerifier, s.prepareCoverage} {
		apply, err := prepare(s.config)
		if err != nil {
			return err
		}
		apply()
	}
	// It runs whether or not anybody can ask for it.
	maintenance, err := s.maintain(handler, metrics)
	if err != nil {
		return err
	}
	if s.config.Admin.Listen != "" {
		apply, err := s.prepareToken(s.config)
		if err != nil {
			return err
		}
		apply()
		pages, err := s.operatorPages(handler, maintenance)
		if err != nil {
			return err
		}
		s.admin, err = s.listen("admin", s.config.Admin.Listen, s.config.Admin.TLS, admin.New(admin.Options{
			Ready: s.ready, Metrics: metrics, Log: s.log, Token: s.adminToken, Events: handler.Events(), Maintenance: maintenance, Pages: pages, Level: &s.logs.level,
		}))
		if err != nil {
			return err
		}
	}
	return nil
}

// openDoor makes the door, and the audit that it records in.
func (s *server) openDoor(metrics *prometheus.Registry) (*proxy.Proxy, error) {
	door, err := options.Proxy(s.config, s.store, s.upstream, s.log)
	if err != nil {
		return nil, err
	}
	s.audit = reconcile.NewAudit(reconcile.AuditOptions{Journal: s.store, Log: s.log, Bounds: options.Audit(s.config.Audit), Metrics: metrics})
	s.background = append(s.background, s.audit.Run)
	door.Registry.Audit, door.Routes = s.audit.Record, s.routes
	apply, err := s.preparePages(s.config)
	if err != nil {
		return nil, err
	}
	apply()
	s.pages.signIns = newSignIns(metrics)
	if s.config.UI.Public {
		door.Pages = s.publicPages
	}
	door.Registry.Signatures = signatures{&s.verifier}
	door.Feeds = s.notices.Feeds
	door.Registry.Metrics, door.Registry.Tracer, door.Access = metrics, s.tracing.tracer(), s.logs.access
	s.signIn = door.SignIn
	handler, err := proxy.New(door)
	if err != nil {
		return nil, err
	}
	s.proxy = handler
	return handler, nil
}

// maintain puts together what runs beside requests, and returns the admin API
// of it. Without credentials of its own backref does nothing unasked.
func (s *server) maintain(handler *proxy.Proxy, metrics *prometheus.Registry) (http.Handler, error) {
	source, settings := reconcile.NewSource(options.Source(s.config, s.upstream, s.store)), options.Reconcile(s.config.Reconcile)
	s.source = source
	settings.Tracer = s.tracing.tracer()
	retention := s.newRetention(handler, metrics)
	watching, err := s.newCoverage(handler, metrics)
	if err != nil {
		return nil, err
	}
	mirror := s.config.Referrers.FallbackTags == config.FallbackMirror
	if !mirror {
		s.background = append(s.background, s.clearOutbox)
	}
	// Notices need no credentials of the registry.
	works := []func(context.Context){s.audit.Trim, s.notices.Run}
	if _, configured := s.upstream.Service(); configured {
		if interval := s.config.Reconcile.SettleInterval; interval > 0 {
			works = append(works, reconcile.NewSettler(s.store, source, interval, s.log, metrics).Run, s.newRemovals(handler, interval, metrics).Run)
		}
		if settings.VerifyInterval > 0 {
			works = append(works, reconcile.NewPatrol(s.store, source, settings, s.log, metrics).Run)
		}
		works = append(works, reconcile.NewDating(s.store, source, settings, s.log).Run, retention.Run, watching.Run)
		if mirror {
			works = append(works, reconcile.NewMirror(reconcile.MirrorOptions{
				Store: s.store, Source: source, Own: handler.Registry().LockTag, HiddenTags: s.config.Referrers.HiddenTags,
				Concurrency: settings.Concurrency, Log: s.log, Metrics: metrics,
			}).Run)
		}
	}
	sharer, _ := s.store.(index.Sharer)
	s.background = append(s.background, reconcile.Background(sharer, s.log, works...))
	settings.Metrics, settings.Audit = metrics, s.audit
	return handler.AfterRecords(reconcile.New(s.store, source, settings, s.log).Handler(retention.Routes, s.capabilities.Routes, s.notices.Routes, handler.Routes)), nil
}

// newRetention returns what carries out the rules of which referrers stay. What it
// deletes is forgotten by the door, and told to who keeps the audit.
func (s *server) newRetention(handler *proxy.Proxy, metrics *prometheus.Registry) *reconcile.Retention {
	o := options.Retaining(s.config)
	o.Store, o.Source, o.Log, o.Metrics = s.store, s.source, s.log, metrics
	o.Settings = func() reconcile.RetentionSettings { return *s.retention.Load() }
	behind := handler.Registry()
	o.Forget, o.Audit, o.Hold, o.Locked = behind.Forget, behind.Audit, behind.HoldForRemoval, behind.LockedTag
	return reconcile.NewRetention(o)
}

// newRemovals returns what carries out deletes that others have decided.
func (s *server) newRemovals(handler *proxy.Proxy, interval time.Duration, metrics *prometheus.Registry) *reconcile.Removals {
	return reconcile.NewRemovals(reconcile.RemovalOptions{
		Store: s.store, Source: s.source, Interval: interval, RequestTime: options.RequestTime(s.config),
		Forget: handler.Registry().Forget, Audit: handler.Registry().Audit, Log: s.log, Metrics: metrics,
	})
}

// clearOutbox turns the outbox off that an earlier run with the mirror left.
func (s *server) clearOutbox(ctx context.Context) {
	if err := s.store.SetOutbox(ctx, false); err != nil {
		s.log.Warn("the outbox of referrers tags can't be cleared", zap.Error(err))
	}
}

// listen opens a listener; key is its section of the configuration.
func (s *server) listen(key, address string, secure config.ServerTLS, handler http.Handler) (listener, error) {
	speak, err := listenerTLS(key+".tls", secure)
	if err != nil {
		return listener{}, err
	}
	l, err := s.listenBy(address, speak, handler)
	if err != nil {
		return listener{}, fmt.Errorf("%s.listen: %w", key, err)
	}
	return l, nil
}

// listenBy opens a listener that speaks TLS by certificates; nil for plain HTTP.
func (s *server) listenBy(address string, speak *certificates, handler http.Handler) (listener, error) {
	accepting, err := net.Listen("tcp", address)
	if err != nil {
		return listener{}, err
	}
	errorLog, err := zap.NewStdLogAt(s.log, zap.WarnLevel)
	if err != nil {
		return listener{}, errors.Join(err, accepting.Close())
	}
	return listener{Listener: wrap.Listener(accepting), server: &http.Server{
		Handler:           handler,
		TLSConfig:         speak.config(),
		ConnContext:       wrap.ConnContext,
		ReadHeaderTimeout: s.config.Server.ReadHeaderTimeout,
		IdleTimeout:       s.config.Server.IdleTimeout,
		MaxHeaderBytes:    int(s.config.Server.MaxHeaderBytes),
		ErrorLog:          errorLog,
	}, certificates: speak}, nil
}

// warn logs what went wrong but stops nothing.
func (s *server) warn(err error) {
	if err != nil {
		s.log.Warn(err.Error())
	}
}

// Run serves until ctx ends or a listener fails, lets the requests under way
// finish, and closes everything. It may be called once.
func (s *server) Run(ctx context.Context) error {
	failed := make(chan error, len(s.fronts())+1)
	serve := func(l listener) {
		if l.server.TLSConfig != nil {
			failed <- l.server.ServeTLS(l.Listener, "", "")
			return
		}
		failed <- l.server.Serve(l.Listener)
	}
	for _, l := range s.fronts() {
		go serve(l)
	}
	fields := []zap.Field{
		zap.String("version", versionLine()), zap.Stringer("listen", s.front.Addr()),
		zap.Stringer("upstream", s.config.Upstream.URL), zap.String("index", storeName(s.config.Index)),
		s.furtherAddresses(),
	}
	if s.admin.server != nil {
		go serve(s.admin)
		fields = append(fields, zap.Stringer("adminListen", s.admin.Addr()))
	}
	beside, stopBeside := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for _, run := range append(s.background, s.reloader.run) {
		running.Go(func() { run(beside) })
	}
	s.log.Info("serving", fields...)
	s.sayExposed()
	s.warn(s.manager.ready())
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	err = errors.Join(err, s.end(err == nil, failed))
	stopBeside()
	running.Wait()
	err = errors.Join(err, s.close())
	s.log.Info("stopped", zap.Error(err))
	return errors.Join(err, s.logs.Close())
}

// end says that the server is about to end, and drains it. Where it ends because
// it was told to, requests are taken for server.shutdownDelay still, unless a
// listener fails meanwhile.
func (s *server) end(told bool, failed <-chan error) error {
	now := time.Now()
	s.draining.Store(&now)
	delay := s.config.Server.ShutdownDelay
	if !told {
		delay = 0
	}
	s.log.Info("shutting down", zap.Duration("shutdownDelaySeconds", delay), zap.Duration("drainTimeoutSeconds", s.config.Server.DrainTimeout))
	s.warn(s.manager.stopping(delay + s.config.Server.DrainTimeout + closingTime))
	var err error
	if delay > 0 {
		select {
		case <-time.After(delay):
		case err = <-failed:
		}
	}
	return errors.Join(err, s.drain())
}

// drain takes no new requests and waits for those under way. The admin
// listener stays until they are done, so that readiness can be seen off.
func (s *server) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.config.Server.DrainTimeout)
	defer cancel()
	err := s.drainFronts(ctx)
	if s.admin.server != nil {
		return errors.Join(err, s.admin.server.Close())
	}
	return err
}

// close closes what is open, the index last.
func (s *server) close() error {
	var errs []error
	for _, l := range append(s.fronts(), s.admin) {
		if l.Listener != nil {
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if s.proxy != nil {
		s.proxy.Close()
	}
	if s.audit != nil {
		s.audit.Close()
	}
	if s.notices != nil {
		s.notices.Close()
	}
	if s.upstream != nil {
		s.upstream.Close()
	}
	s.routes.Close()
	s.split.Close()
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	s.tracing.close()
	return errors.Join(errs...)
}
