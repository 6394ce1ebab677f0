package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
	"github.com/backref/backref/upstream"
)

// part is what takes a changed configuration over while the server runs. It reads
// and checks all that it needs, files included, and returns what has it count,
// which can't fail. Its keys have reload:"true" in package config.
type part func(cfg config.Config) (apply func(), err error)

// parts are all of them. They are called one after the other, never at once.
func (s *server) parts() []part {
	return []part{
		func(cfg config.Config) (func(), error) { return s.front.certificates.prepare(cfg.Server.TLS) },
		func(cfg config.Config) (func(), error) { return s.admin.certificates.prepare(cfg.Admin.TLS) },
		s.prepareToken,
		s.prepareUpstream,
		s.prepareDoor,
		s.preparePages,
		s.prepareSource,
		s.prepareRetention,
		s.prepareVerifier,
		s.prepareCoverage,
		s.prepareAudit,
		s.prepareNotices,
		s.prepareLog,
	}
}

func (s *server) prepareToken(cfg config.Config) (func(), error) {
	token, err := cfg.Admin.Token()
	return func() { s.token.Store(token) }, err
}

// adminToken returns the token that operators send; empty for none.
func (s *server) adminToken() string {
	token, _ := s.token.Load().(string)
	return token
}

func (s *server) prepareUpstream(cfg config.Config) (func(), error) {
	o := options.Upstream(cfg.Upstream)
	first, err := s.upstream.Prepare(o.Service, o.TLS)
	if err != nil {
		return nil, err
	}
	applies := []func(){first}
	// What is said of routes needs a restart; the files that they name don't.
	for i := range cfg.Upstream.Routes {
		o := options.Route(cfg.Upstream, i)
		apply, err := s.routes.Registry(o.Key).Prepare(o.Service, o.TLS)
		if err != nil {
			return nil, err
		}
		applies = append(applies, apply)
	}
	beside, err := s.prepareSplit()
	if err != nil {
		return nil, err
	}
	applies = append(applies, beside...)
	return func() {
		for _, apply := range applies {
			apply()
		}
	}, nil
}

// prepareSplit reads anew the files that are named of registries beside the first. What
// else is said of these needs a restart.
func (s *server) prepareSplit() ([]func(), error) {
	var applies []func()
	prepare := func(at *upstream.Registry, o upstream.Options) error {
		apply, err := at.Prepare(o.Service, o.TLS)
		applies = append(applies, apply)
		return err
	}
	for i, store := range s.split.Stores {
		if err := prepare(store.Registry, options.Store(s.config, i)); err != nil {
			return nil, err
		}
	}
	for i, source := range s.split.Sources {
		if err := prepare(source.Registry, options.FurtherSource(s.config, i)); err != nil {
			return nil, err
		}
	}
	return applies, nil
}

func (s *server) prepareDoor(cfg config.Config) (func(), error) {
	settings, err := options.Settings(cfg, s.signIn)
	return func() {
		s.signIn = settings.SignIn
		s.proxy.Set(settings)
	}, err
}

func (s *server) prepareSource(cfg config.Config) (func(), error) {
	o := options.Source(cfg, s.upstream, s.store)
	return func() { s.source.SetLimits(o.Limits, o.Rate) }, nil
}

func (s *server) prepareRetention(cfg config.Config) (func(), error) {
	settings, err := options.RetentionSettings(cfg.Retention)
	return func() { s.retention.Store(&settings) }, err
}

// prepareVerifier reads the files of signers anew. Verdicts of before are forgotten.
func (s *server) prepareVerifier(cfg config.Config) (func(), error) {
	verifier, err := options.Verifier(cfg.Verify)
	return func() { s.verifier.Store(verifier) }, err
}

func (s *server) prepareAudit(cfg config.Config) (func(), error) {
	return func() { s.audit.SetBounds(options.Audit(cfg.Audit)) }, nil
}

// prepareLog changes nothing where the configuration says what it did before: the
// level may have been set since by the admin API.
func (s *server) prepareLog(cfg config.Config) (func(), error) {
	level := cfg.Log.Level
	if level == s.reloader.running.Log.Level {
		return func() {}, nil
	}
	return func() { s.warn(s.logs.SetLevel(level)) }, nil
}

// reloader reads the configuration again, when it is told to or files have
// changed, and has the server take it over: in whole, or not at all.
type reloader struct {
	server *server
	// file is that of the configuration; empty for none.
	file string
	// load reads the configuration from where it was read at the start.
	load    func() (config.Config, error)
	hangups <-chan os.Signal
	metrics reloadMetrics
	// last is what came of the last reload.
	last atomic.Pointer[reloaded]

	// running is the configuration that counts, and contents what the files that it
	// names were last seen to hold, by their keys.
	running  config.Config
	contents map[string][sha256.Size]byte
	// wanted is the configuration that was read last, whatever came of it.
	wanted config.Config
	watch  watch
}

// reloaded is what came of reading the configuration again.
type reloaded struct {
	at time.Time
	// err is why what was read doesn't count; nil if it does.
	err error
}

// newReloader returns what has a server take changes over. It is to be made before
// the files are read that the configuration names.
func newReloader(s *server) *reloader {
	r := &reloader{
		server: s, load: func() (config.Config, error) { return s.config, nil },
		running: s.config, wanted: s.config, contents: contents(s.config),
	}
	r.watch.count(r.paths())
	return r
}

// source is where the configuration of a server comes from.
type source struct {
	// file is that of the configuration, empty for none, and before its state from
	// before it was read.
	file   string
	before map[string]fs.FileInfo
	load   func() (config.Config, error)
	// hangups say that the configuration is to be read again.
	hangups <-chan os.Signal
}

// from says where the configuration comes from. Without it only the files are
// read again that it names.
func (r *reloader) from(s source) {
	r.file, r.load, r.hangups = s.file, s.load, s.hangups
	r.watch.add(s.before)
}

// begin registers the metrics when the configuration counts for the first time.
func (r *reloader) begin(metrics prometheus.Registerer) {
	r.metrics = newReloadMetrics(metrics)
	r.done(nil)
}

// lastReload tells when the configuration was read last, and why what was read
// then doesn't count; nil if it does. The start is the first time.
func (s *server) lastReload() (at time.Time, err error) {
	last := s.reloader.last.Load()
	return last.at, last.err
}

// run reads the configuration again when there is reason to, until ctx ends.
func (r *reloader) run(ctx context.Context) {
	for {
		var look <-chan time.Time
		if r.running.Reload.Watch {
			look = time.After(r.running.Reload.Interval)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.hangups:
			r.server.warn(r.server.logs.Reopen())
			r.reload("SIGHUP")
		case <-look:
			switch r.watch.look(r.paths()) {
			case filesSame:
			case filesChanged:
				r.reload("files have changed")
			case filesMissing:
				r.server.log.Warn("a file of the configuration is missing or empty; what it said stays until it is there again")
			}
		}
	}
}

// paths returns the files to look at: those that count, and those that were to.
func (r *reloader) paths() []string {
	var paths []string
	if r.file != "" {
		paths = append(paths, r.file)
	}
	for _, file := range append(r.running.Files(), r.wanted.Files()...) {
		paths = append(paths, file.Path)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// reload reads the configuration once. Nothing is read while the server ends.
func (r *reloader) reload(cause string) {
	s := r.server
	if s.draining.Load() != nil {
		return
	}
	s.warn(s.manager.reloading())
	// Before they are read: a change meanwhile is seen later.
	r.watch.count(r.paths())
	change, err := r.take()
	// Others may be named now.
	r.watch.add(stat(r.paths()))
	r.done(err)
	if err != nil {
		s.log.Error("the configuration can't be taken over; that of before stays", zap.String("cause", cause),
			zap.String("error", strings.ReplaceAll(err.Error(), "\n", "; ")))
	} else {
		files, waiting := r.compareFiles()
		s.log.Info("the configuration was read again", zap.String("cause", cause), zap.Strings("changed", change.Live), zap.Strings("files", files))
		if waiting = append(change.Waiting, waiting...); len(waiting) > 0 {
			s.log.Warn("changes of these keys need a restart", zap.Strings("keys", waiting))
		}
	}
	s.warn(s.manager.ready())
}

// take reads the configuration and has it count, if all of it is right.
//
// Where it isn't, the one of before stays, and the files that it names are read
// again, each for itself: a certificate that was renewed doesn't wait for who
// mends something else.
func (r *reloader) take() (config.Change, error) {
	change := config.Change{Config: r.running}
	wanted, err := r.read()
	if err == nil {
		r.wanted = wanted
		if next, adoptErr := r.running.Adopt(wanted); adoptErr != nil {
			err = adoptErr
		} else {
			change = next
		}
	}
	applies, partErr := r.prepare(change.Config)
	if partErr != nil && len(change.Live) > 0 {
		applies, _ = r.prepare(r.running)
	}
	for _, apply := range applies {
		apply()
	}
	if err = errors.Join(err, partErr); err == nil {
		r.running = change.Config
	}
	return change, err
}

// read reads the configuration. What can be read only once is left alone, and a
// file that is about to be written again is not taken for one that says nothing.
func (r *reloader) read() (config.Config, error) {
	if r.file != "" {
		info, err := os.Stat(r.file)
		if err != nil {
			return config.Config{}, err
		}
		switch {
		case !info.Mode().IsRegular():
			return config.Config{}, fmt.Errorf("%s is no regular file: it can't be read twice", r.file)
		case info.Size() == 0:
			return config.Config{}, fmt.Errorf("%s is empty", r.file)
		}
	}
	return r.load()
}

// prepare returns what has a configuration count in those parts that can take it
// over, and why the others can't.
func (r *reloader) prepare(cfg config.Config) (applies []func(), err error) {
	var errs []error
	for _, part := range r.server.parts() {
		apply, err := part(cfg)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		applies = append(applies, apply)
	}
	return applies, errors.Join(errs...)
}

// compareFiles returns the keys of those files whose content has changed since
// this was asked last, and among them those that need a restart.
func (r *reloader) compareFiles() (changed, waiting []string) {
	now := contents(r.running)
	for _, file := range r.running.Files() {
		switch {
		case now[file.Key] == r.contents[file.Key]:
		case file.Live:
			changed = append(changed, file.Key)
		default:
			waiting = append(waiting, file.Key)
			now[file.Key] = r.contents[file.Key]
		}
	}
	r.contents = now
	return changed, waiting
}

// contents returns what the files of a configuration hold, by their keys.
func contents(cfg config.Config) map[string][sha256.Size]byte {
	sums := map[string][sha256.Size]byte{}
	for _, file := range cfg.Files() {
		// Whoever needs one that can't be read has said so.
		if content, err := os.ReadFile(file.Path); err == nil {
			sums[file.Key] = sha256.Sum256(content)
		}
	}
	return sums
}

// done keeps what came of reading the configuration.
func (r *reloader) done(err error) {
	now := time.Now()
	r.metrics.count(now, err, r.last.Load() == nil)
	r.last.Store(&reloaded{now, err})
}
