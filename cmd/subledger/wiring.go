package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/handlers/checkout"
	"github.com/subledger/subledger/handlers/salable"
	"github.com/subledger/subledger/internal/reactions"
	"github.com/subledger/subledger/projections"
)

// start brings everything up; what came up before an error is stopped by stop.
func (s *server) start(ctx context.Context) error {
	s.failed = make(chan error, 1)
	c := s.config
	self, err := uuid.NewV7()
	if err != nil {
		return err
	}
	s.signals.Sender = self.String()
	s.told.Address = "http://" + s.listener.Addr().String()
	s.told.Database = s.place()
	if err := s.guard(ctx); err != nil {
		return err
	}
	key, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	// Of 48 connections: 20 for the log, 12 for reads, 10 for reactions, 6 for projections and listening.
	s.told.NewKey = s.newKey
	relaxCollector()
	app, err := s.poolOf(ctx, s.app, "subledger", c.Connections*5/12, eventstore.GenericPlans)
	if err != nil {
		return err
	}
	if skew, err := clockSkew(ctx, app); err != nil {
		return err
	} else if skew.Abs() > time.Second {
		s.log.Warn("the process clock and the database's differ", "by", skew)
	}
	fault, err := s.faultPoints(ctx, app)
	if err != nil {
		return err
	}
	registry := newRegistry()
	s.store, err = eventstore.Open(ctx, app, key, eventstore.Vocabularies(),
		eventstore.Config{Logger: s.log, Observe: observeFlushes(registry), Fault: fault})
	if err != nil {
		return explainKey(err)
	}
	// What it says of its progress is part of the log.
	quiet := &process{stdout: io.Discard, stderr: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn).Writer()}
	built, err := s.buildNew(ctx, quiet, s.store)
	if err != nil {
		return err
	}
	if len(built) > 0 {
		s.log.Warn("read models of this version were built before the start", "built", built)
	}
	registerCaches(registry, s.store.Caches())
	s.witness.known.Installation = s.store.SystemLedger()
	if err := s.acceptRestore(ctx); err != nil {
		return err
	}
	s.witness.accept(s.back)
	s.store.Subscribe(s.witness.committed)
	s.project(ctx, "witness", func(ctx context.Context) error { return s.witness.run(ctx, s.fence) })
	applied := projections.NewApplied()
	if c.has("api") {
		if err := s.openReads(ctx, app, applied, registry); err != nil {
			return err
		}
	}
	if err := s.startProjections(ctx, applied, registry); err != nil {
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
	if s.config.points != nil {
		s.config.points.Arm()
	}
	return s.startHTTP(ctx, app, registry)
}

// gatherTime is how old a row may get before it is shown to somebody who did not write it.
const gatherTime = 50 * time.Millisecond

// startProjections runs the projector, or in a process without it follows the one of another process;
// either way applied is told how far the read models are.
func (s *server) startProjections(ctx context.Context, applied *projections.Applied, registry *prometheus.Registry) error {
	pool, err := s.poolOf(ctx, s.app, "subledger projections", max(2, s.config.Connections/8-1), eventstore.GenericPlans)
	if err != nil {
		return err
	}
	self := s.signals.Sender
	committed := projections.NewAnnouncer(pool, projections.ChannelCommitted, self, s.log)
	s.store.Subscribe(committed.Committed)
	s.project(ctx, "announcer", committed.Run)
	if !s.config.has("projector") {
		watcher := projections.NewWatcher(pool, applied, projections.Models(), committed, s.log)
		s.signals.Applied = watcher.Nudge
		s.project(ctx, "watcher", watcher.Run)
		return nil
	}
	moved := projections.NewAnnouncer(pool, projections.ChannelApplied, self, s.log)
	s.project(ctx, "announcer", moved.Run)
	c := projections.Config{Log: s.store, Pool: pool, Projections: models(), Applied: applied, Announce: moved.Announce,
		Gather: gatherTime, Metrics: registry, Logger: s.log, Fault: s.fault}
	if s.checks != nil {
		c.Follow = s.checks.Follow
	}
	runner := projections.NewRunner(c)
	s.store.Subscribe(runner.Committed)
	s.runners = append(s.runners, runner)
	s.project(ctx, "projector", runner.Run)
	return nil
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
	// What is queued to be forgotten is forgotten, whether or not it is waited for.
	forget := func(ledgers ...uuid.UUID) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := s.store.Forget(ctx, ledgers...); err != nil {
			s.log.Warn("an erasure is taken over late", "error", err)
		}
	}
	s.signals.Erased = forget
	s.signals.Connected = func() {
		forget()
		for _, r := range s.runners {
			r.Rescan()
		}
	}
	s.project(ctx, "listener", s.signals.Run)
	return nil
}

// faultPoints turns them on. They are refused where a live ledger has history: what they break is real.
func (s *server) faultPoints(ctx context.Context, app *pgxpool.Pool) (func(string) error, error) {
	if s.config.points == nil {
		return nil, nil
	}
	var live int64
	if err := app.QueryRow(ctx, "select count(*) from ledgers where mode = 'live' and position > 0").Scan(&live); err != nil {
		return nil, fmt.Errorf("look for live ledgers: %w", err)
	}
	if live > 0 {
		return nil, refused("Unset SUBLEDGER_FAULT_POINTS.", "fault points are refused in live mode: %s of this database has events", count(live, "live ledger"))
	}
	s.log.Warn("fault points are on: this process fails on purpose and serves test ledgers only", "points", s.config.FaultPoints)
	s.fault = s.config.points.At
	return s.fault, nil
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
	pool, err := s.poolOf(ctx, s.app, "subledger reactions", max(3, s.config.Connections*5/24), nil)
	if err != nil {
		return err
	}
	if !s.config.has("projector") {
		applied = nil // nobody in this process tells of every move
	}
	r, err := reactions.New(reactions.Config{Store: s.store, Pool: pool, Applied: applied, Reads: projections.NewReads(pool, applied, s.store.Acknowledged), Registerer: registry, Logger: s.log, Fault: s.fault})
	if err != nil {
		return err
	}
	s.ready = append(s.ready, handlers.Check{Name: "reactions", Do: func(context.Context) error { return r.Ready() }})
	s.runners = append(s.runners, r.Relay())
	s.reactor = s.spawn(ctx, "reactor", r.Run)
	return nil
}

// openReads prepares what answers from the read models.
func (s *server) openReads(ctx context.Context, app *pgxpool.Pool, applied *projections.Applied, registry *prometheus.Registry) error {
	reader, err := s.poolOf(ctx, s.reader, "subledger reads", max(1, s.config.Connections/4), nil)
	if err != nil {
		return err
	}
	s.reads = projections.NewReads(reader, applied, s.store.Acknowledged)
	checks := s.reads
	var standby bool
	if err := reader.QueryRow(ctx, `select pg_is_in_recovery()`).Scan(&standby); err != nil {
		return fmt.Errorf("look at the database for reads: %w", err)
	}
	if standby {
		// What is there comes later than it is written here: it is asked how far it is. Who has access is not.
		there := projections.NewApplied()
		s.project(ctx, "standby", projections.NewWatcher(reader, there, projections.Models(), nil, s.log).Run)
		s.reads = projections.NewReads(reader, there, s.store.Acknowledged)
		checks = projections.NewReads(app, applied, s.store.Acknowledged)
	}
	s.signer = salable.NewSigner(app, s.store.Master())
	s.checks = projections.NewEntitlements(projections.EntitlementConfig{Reads: checks, Pool: app, Metrics: registry, Logger: s.log})
	s.project(ctx, "entitlements", s.checks.Run)
	return nil
}

// startHTTP serves operators' paths and, in a process with the API, the dialects: Salable's at the root,
// our own below /ledger/v1.
func (s *server) startHTTP(ctx context.Context, app *pgxpool.Pool, registry *prometheus.Registry) error {
	tracer, err := s.tracer(ctx)
	if err != nil {
		return err
	}
	dialects := map[string]*handlers.Dialect{}
	if s.config.has("api") {
		root := salable.New(s.store, s.reads, s.checks, s.signer, time.Now)
		own := handlers.NewAPI(s.store, s.reads, time.Now, s.store.Master().Derive("cursors", 32),
			func(ctx context.Context, ledger uuid.UUID) ([]projections.Status, error) {
				return projections.LedgerStatus(ctx, app, ledger, modelNames())
			})
		root.PublicURL = s.config.PublicURL
		pages := checkout.New(s.store, s.reads, checkout.NewLinks(checkout.Sealer(s.store)), time.Now)
		dialects[""], dialects["/ledger/v1"], dialects["/checkout"] = root.Dialect(), own.Dialect(), pages.Dialect()
		registerCaches(registry, root.Caches())
		registerCaches(registry, own.Caches())
	}
	edge := handlers.NewServer(handlers.Config{
		Pool: app, Now: time.Now, Log: s.log, AccessLog: s.config.AccessLog, Registry: registry, Tracer: tracer, RateLimit: s.config.RateLimit,
		Sessions: checkout.Sealer(s.store), TestOnly: s.config.points != nil, Fault: s.fault,
		Ready: append(s.ready, handlers.ClockCheck(func(ctx context.Context) (time.Duration, error) { return clockSkew(ctx, app) })),
	}, dialects)
	ln := s.listener
	s.listener = nil // the server closes it
	s.http = s.spawn(ctx, "http", func(ctx context.Context) error { return edge.Run(ctx, ln, s.config.Drain) })
	return nil
}
