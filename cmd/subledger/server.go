package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/handlers/salable"
	"github.com/subledger/subledger/internal/reactions"
	"github.com/subledger/subledger/projections"
)

// server is everything that runs in one process. stop undoes start, in the order in which work flows:
// requests, reactions, lanes, projections; the database comes last, with the installation.
type server struct {
	*installation
	config *serveCommand
	log    *slog.Logger
	told   started

	listener  net.Listener
	pools     []*pgxpool.Pool
	store     *eventstore.Store
	api       *worker
	reactor   *worker
	projector []*worker
	runners   []*projections.Runner                    // of read models and of the relay
	checks    atomic.Pointer[projections.Entitlements] // in a process with the API
	signals   projections.Listener                     // from other processes
	ready     []handlers.Check
	failed    chan error // the first worker that ended unasked
}

// worker is a goroutine that runs until it is stopped.
type worker struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // after done
}

// spawn runs f until stop. Ending before that, it ends the server.
func (s *server) spawn(ctx context.Context, name string, f func(context.Context) error) *worker {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w := &worker{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		err := f(ctx)
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, context.Canceled) {
				w.err = fmt.Errorf("%s: %w", name, err)
			}
			return
		}
		if err == nil {
			err = errors.New("ended unasked")
		}
		select {
		case s.failed <- fmt.Errorf("%s: %w", name, err):
		default:
		}
	}()
	return w
}

func (w *worker) stop() error {
	if w == nil {
		return nil
	}
	w.cancel()
	<-w.done
	return w.err
}

// start brings everything up; what came up before an error is stopped by stop.
func (s *server) start(ctx context.Context, p *process) error {
	s.failed = make(chan error, 1)
	c := s.config
	self, err := uuid.NewV7()
	if err != nil {
		return err
	}
	s.signals.Sender = self.String()
	if c.has("api") {
		if s.listener, err = net.Listen("tcp", c.Listen); err != nil {
			return &status{code: exitRefused, err: fmt.Errorf("listen on %s: %w", c.Listen, err), next: "Choose another one: --listen or SUBLEDGER_LISTEN"}
		}
		s.told.Address = "http://" + s.listener.Addr().String()
	}
	s.told.Database = s.place()
	key, err := s.prepare(ctx, p)
	if err != nil {
		return err
	}
	// Of 48 connections: 20 for the log, 12 for reads, 10 for reactions, 6 for projections and listening.
	app, err := s.poolOf(ctx, s.app, "subledger", c.Connections*5/12)
	if err != nil {
		return err
	}
	if skew, err := clockSkew(ctx, app); err != nil {
		return err
	} else if skew.Abs() > time.Second {
		s.log.Warn("the process clock and the database's differ", "by", skew)
	}
	registry := newRegistry()
	s.store, err = eventstore.Open(ctx, app, key, eventstore.Vocabularies(),
		eventstore.Config{Logger: s.log, Observe: observeFlushes(registry)})
	if err != nil {
		return explainKey(err)
	}
	applied, err := s.startProjections(ctx, registry)
	if err != nil {
		return err
	}
	if err := s.startReactions(ctx, applied, registry); err != nil {
		return err
	}
	if err := s.startListener(ctx); err != nil {
		return err
	}
	if err := s.welcome(ctx); err != nil {
		return err
	}
	if c.has("api") {
		return s.startAPI(ctx, app, applied, registry)
	}
	return nil
}

func (s *server) poolOf(ctx context.Context, url, name string, most int) (*pgxpool.Pool, error) {
	pool, err := eventstore.OpenPool(ctx, url, func(c *pgxpool.Config) {
		c.MaxConns = int32(most)
		c.ConnConfig.RuntimeParams["application_name"] = name
	})
	if err != nil {
		return nil, err
	}
	s.pools = append(s.pools, pool)
	if err := pool.Ping(ctx); err != nil {
		return nil, s.unreachable(err)
	}
	return pool, nil
}

// startProjections runs the projector, or in a process without it follows the one of another process;
// either way the answer knows how far the read models are.
func (s *server) startProjections(ctx context.Context, registry *prometheus.Registry) (*projections.Applied, error) {
	pool, err := s.poolOf(ctx, s.app, "subledger projections", max(2, s.config.Connections/8-1))
	if err != nil {
		return nil, err
	}
	self := s.signals.Sender
	committed := projections.NewAnnouncer(pool, projections.ChannelCommitted, self, s.log)
	s.store.Subscribe(committed.Committed)
	s.project(ctx, "announcer", committed.Run)
	applied := projections.NewApplied()
	if !s.config.has("projector") {
		watcher := projections.NewWatcher(pool, applied, projections.Models(), s.log)
		s.signals.Applied = watcher.Nudge
		s.project(ctx, "watcher", watcher.Run)
		return applied, nil
	}
	moved := projections.NewAnnouncer(pool, projections.ChannelApplied, self, s.log)
	s.project(ctx, "announcer", moved.Run)
	runner := projections.NewRunner(projections.Config{Log: s.store, Pool: pool, Projections: models(), Applied: applied,
		Announce: moved.Announce, Follow: s.follow, Metrics: registry, Logger: s.log})
	s.store.Subscribe(runner.Committed)
	s.runners = append(s.runners, runner)
	s.project(ctx, "projector", runner.Run)
	return applied, nil
}

// follow hands what was projected to the index of entitlements, once there is one.
func (s *server) follow(h projections.Handover) {
	if x := s.checks.Load(); x != nil {
		x.Follow(h)
	}
}

// startListener tells the runners of this process what other processes commit.
func (s *server) startListener(ctx context.Context) error {
	var err error
	if s.signals.Connection, err = pgx.ParseConfig(s.app); err != nil {
		return fmt.Errorf("read the database's URL: %w", err)
	}
	s.signals.Logger = s.log
	s.signals.Committed = func(ledgers ...uuid.UUID) {
		for _, r := range s.runners {
			r.Nudge(ledgers...)
		}
	}
	s.signals.Connected = func() {
		for _, r := range s.runners {
			r.Rescan()
		}
	}
	s.project(ctx, "listener", s.signals.Run)
	return nil
}

func (s *server) project(ctx context.Context, name string, f func(context.Context) error) {
	s.projector = append(s.projector, s.spawn(ctx, name, f))
}

// models are the read models as the runner takes them.
func models() []projections.Projection {
	var all []projections.Projection
	for _, m := range projections.Models() {
		all = append(all, m)
	}
	return all
}

func modelNames() []string {
	var names []string
	for _, m := range projections.Models() {
		names = append(names, m.Name())
	}
	return names
}

// startReactions does what events and time call for, in a process of that role.
func (s *server) startReactions(ctx context.Context, applied *projections.Applied, registry *prometheus.Registry) error {
	if !s.config.has("reactor") {
		return nil
	}
	pool, err := s.poolOf(ctx, s.app, "subledger reactions", max(3, s.config.Connections*5/24))
	if err != nil {
		return err
	}
	if !s.config.has("projector") {
		applied = nil // nobody in this process tells of every move
	}
	r, err := reactions.New(reactions.Config{Store: s.store, Pool: pool, Applied: applied, Registerer: registry, Logger: s.log})
	if err != nil {
		return err
	}
	s.ready = append(s.ready, handlers.Check{Name: "reactions", Do: func(context.Context) error { return r.Ready() }})
	s.runners = append(s.runners, r.Relay())
	s.reactor = s.spawn(ctx, "reactor", r.Run)
	return nil
}

func (s *server) startAPI(ctx context.Context, app *pgxpool.Pool, applied *projections.Applied, registry *prometheus.Registry) error {
	reader, err := s.poolOf(ctx, s.reader, "subledger reads", max(1, s.config.Connections/4))
	if err != nil {
		return err
	}
	tracer, err := s.tracer(ctx)
	if err != nil {
		return err
	}
	reads := projections.NewReads(reader, applied, s.store.Acknowledged)
	api := handlers.NewAPI(s.store, reads, time.Now, s.store.Master().Derive("cursors", 32),
		func(ctx context.Context, ledger uuid.UUID) ([]projections.Status, error) {
			return projections.LedgerStatus(ctx, app, ledger, modelNames())
		})
	signer := salable.NewSigner(app, s.store.Master())
	checks := projections.NewEntitlements(projections.EntitlementConfig{Reads: reads, Pool: app, Sign: signer.Sign, Metrics: registry, Logger: s.log})
	s.checks.Store(checks)
	s.project(ctx, "entitlements", checks.Run)
	facade := salable.New(s.store, reads, checks, signer, time.Now)
	edge := handlers.NewServer(handlers.Config{
		Pool: app, Now: time.Now, Log: s.log, AccessLog: s.config.AccessLog, Registry: registry, Tracer: tracer, RateLimit: s.config.RateLimit,
		Ready: append(s.ready, handlers.ClockCheck(func(ctx context.Context) (time.Duration, error) { return clockSkew(ctx, app) })),
	}, map[string]*handlers.Dialect{"": facade.Dialect(), "/ledger/v1": api.Dialect()})
	ln := s.listener
	s.listener = nil // the server closes it
	s.api = s.spawn(ctx, "api", func(ctx context.Context) error { return edge.Run(ctx, ln, s.config.Drain) })
	return nil
}

// wait returns when the server has to end: nil when it was asked to.
func (s *server) wait(ctx context.Context) error {
	var exited <-chan error
	if s.server != nil {
		exited = s.server.Exited()
	}
	select {
	case <-ctx.Done():
		s.log.Info("draining")
		return nil
	case err := <-exited:
		return &status{code: exitPostgres, err: err, next: "See postgres.log in " + s.installation.config.DataDir}
	case err := <-s.failed:
		return err
	}
}

// stop lets everything finish what it has begun.
func (s *server) stop() error {
	if s.listener != nil {
		_ = s.listener.Close()
	}
	err := errors.Join(s.api.stop(), s.reactor.stop())
	if s.store != nil {
		s.store.Close()
	}
	var all sync.WaitGroup
	errs := make([]error, len(s.projector))
	for i, w := range s.projector {
		all.Go(func() { errs[i] = w.stop() })
	}
	all.Wait()
	for _, pool := range s.pools {
		pool.Close()
	}
	return errors.Join(append(errs, err)...)
}

// clockSkew is how far the process clock is ahead of the database's, give or take half a round trip.
func clockSkew(ctx context.Context, pool *pgxpool.Pool) (time.Duration, error) {
	var there time.Time
	before := time.Now()
	if err := pool.QueryRow(ctx, `select clock_timestamp()`).Scan(&there); err != nil {
		return 0, fmt.Errorf("read the database's clock: %w", err)
	}
	return before.Add(time.Since(before) / 2).Sub(there), nil
}
