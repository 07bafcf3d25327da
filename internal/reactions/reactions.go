// Package reactions does what events call for outside of the ledger, and what time calls for inside
// (design section 5).
//
// Vocabulary: errand (outside work that an event calls for, as a message), relay, topic, serial, call (of
// a provider, a row until its task is done), attempt, answer, lease, poisoned, due row, lag.
//
//	log ─ relay ─▶ topic errands ─ claim ─▶ provider_calls ─ workers ─▶ provider, command ─▶ log
//	read model due ─ scheduler ─▶ command ─▶ log
//
// Rules:
//
//	A1 A message commits with the relay's checkpoint: each event is published once. Serials of a topic are commit order.
//	A2 A message's handler claims and does nothing else. Handled twice, it claims once.
//	A3 A provider is asked with no transaction open. What is asked again after a crash has the same key.
//	A4 An attempt is reported under a key of its own; the first report counts, and the task's status decides what follows.
//	A5 What waits is a row with an instant, never a sleeping message or a held worker.
//	A6 Health is lag. That nothing failed proves nothing.
package reactions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/metering"
	"github.com/subledger/subledger/projections"
)

// Config is what reactions need. Store and Pool have to be given; the zero value of every other field
// means its default.
type Config struct {
	Store      *eventstore.Store
	Pool       *pgxpool.Pool         // of OpenPool, role subledger_app; two connections are held by polls, one a worker at most
	Reads      *projections.Reads    // to count usage with; nil: drafts that wait for usage stay
	Applied    *projections.Applied  // of the runner of the read models in this process; nil: the scheduler goes by its ticks
	Registerer prometheus.Registerer // nil: metrics are kept and shown nowhere
	Logger     *slog.Logger          // nil: nothing is logged
	Providers  map[string]Ask        // beside `manual`, `clock` and `billing`, which are built in
	Now        func() time.Time      // default time.Now; the store should have the same

	Workers      int           // provider calls in flight, default 16
	PerLedger    int           // of them for one ledger, default 4
	CallTimeout  time.Duration // of one provider call, default 30 s
	Lease        time.Duration // after which a call is taken from a worker that was killed, default 60 s; at least 15 s more than CallTimeout
	Backoff      Backoff       // of failed attempts
	ActionEvery  time.Duration // how often a provider that waits for its payer is asked, default 1 h
	Poll         time.Duration // the net below all signals, default 1 s
	Tick         time.Duration // the scheduler's, default 10 s; it also wakes at the next due instant
	Ledgers      int           // in which the scheduler works at once, default 8
	StopTimeout  time.Duration // for calls in flight when Run ends, default 10 s
	MeasureEvery time.Duration // default 5 s
	LagLimit     time.Duration // beyond which Ready fails, default 1 min
	Keep         time.Duration // of acknowledged messages, default 7 days

	// Fault is called at named steps; an error stands for a crash there. For tests only.
	Fault func(step string) error
}

func (c *Config) setDefaults() {
	duration := func(p *time.Duration, d time.Duration) {
		if *p == 0 {
			*p = d
		}
	}
	number := func(p *int, n int) {
		if *p == 0 {
			*p = n
		}
	}
	number(&c.Workers, 16)
	number(&c.PerLedger, 4)
	number(&c.Ledgers, 8)
	duration(&c.CallTimeout, 30*time.Second)
	duration(&c.Lease, time.Minute)
	duration(&c.ActionEvery, time.Hour)
	duration(&c.Poll, time.Second)
	duration(&c.Tick, 10*time.Second)
	duration(&c.StopTimeout, 10*time.Second)
	duration(&c.MeasureEvery, 5*time.Second)
	duration(&c.LagLimit, time.Minute)
	duration(&c.Keep, 7*24*time.Hour)
	c.Backoff.setDefaults()
	if c.Registerer == nil {
		c.Registerer = prometheus.NewRegistry()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Fault == nil {
		c.Fault = func(string) error { return nil }
	}
	providers := map[string]Ask{"manual": manual(c.Store, c.Now)}
	maps.Copy(providers, c.Providers)
	c.Providers = providers
}

// reportTime is what a report may take after a call, within the lease.
const reportTime = 15 * time.Second

func (c *Config) check() error {
	switch {
	case c.Store == nil || c.Pool == nil:
		return errors.New("reactions need a store and a pool")
	case c.Workers < 1 || c.PerLedger < 1 || c.Ledgers < 1 || c.Backoff.Attempts < 1:
		return errors.New("reactions need a worker, a call a ledger, a ledger and an attempt at least")
	case c.Lease < c.CallTimeout+reportTime:
		return fmt.Errorf("a lease of %s is over while a call of %s is reported: it has to be %s longer", c.Lease, c.CallTimeout, reportTime)
	}
	return nil
}

// Reactions are the relay, the message router, the workers and the scheduler of one process. Any number
// of processes may have them.
type Reactions struct {
	cfg        Config
	metrics    *instruments
	relay      *relay
	runner     *projections.Runner
	router     *message.Router
	calls      *workers
	scheduler  *scheduler
	watch      *watch
	poisonWake signal
	poisonSent atomic.Bool
	stopped    chan struct{} // closed when Run ends
	quietLog   watermill.LoggerAdapter
	running    atomic.Bool
}

// New makes reactions and subscribes them to the store's commits, which are kept for them from then on:
// Run is to follow.
func New(cfg Config) (*Reactions, error) {
	cfg.setDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := &Reactions{cfg: cfg, poisonWake: newSignal(), stopped: make(chan struct{}),
		// Watermill tells as information what is a trace here.
		quietLog: watermill.NewSlogLoggerWithLevelMapping(cfg.Logger, map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug})}
	var err error
	if r.metrics, err = newInstruments(cfg.Registerer); err != nil {
		return nil, err
	}
	r.calls = &workers{cfg: &r.cfg, metrics: r.metrics, wake: newSignal(), busy: map[uuid.UUID]int{}}
	r.scheduler = &scheduler{cfg: &r.cfg, metrics: r.metrics, wake: newSignal(), counter: metering.Counter{Store: r.cfg.Store, Reads: r.cfg.Reads}, moved: map[uuid.UUID]int64{}, failing: map[dueKey]failure{}}
	cfg.Providers[task.ClockProvider] = r.scheduler.clocks
	cfg.Providers[task.BillingProvider] = r.scheduler.bill
	r.relay = &relay{fault: cfg.Fault, told: newSignal(), clockMoved: r.scheduler.lookAt}
	r.watch = &watch{cfg: &r.cfg, metrics: r.metrics, due: r.scheduler.overdue}
	// What publishes has a runner of its own: read models do not wait for a topic's row.
	r.runner = projections.NewRunner(projections.Config{Log: cfg.Store, Pool: cfg.Pool, Projections: []projections.Projection{r.relay},
		Follow: r.relay.committed, Logger: cfg.Logger})
	if r.router, err = r.newRouter(); err != nil {
		return nil, err
	}
	cfg.Store.Subscribe(r.runner.Committed)
	return r, nil
}

// Relay is the runner that publishes. Run runs it; who hears of commits in other processes nudges it.
func (r *Reactions) Relay() *projections.Runner { return r.runner }

// Projections are the relay's names of checkpoints, for `projections` and /projections.
func (r *Reactions) Projections() []string { return []string{r.relay.Name()} }

// Run works until ctx ends, and returns nil then, when no call is in flight any more; the store and the
// pool must live until then. It can be called once. Faults of the database are retried.
func (r *Reactions) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { close(r.stopped) })
	defer stop()
	r.running.Store(true)
	defer r.running.Store(false)
	g.Go(func() error {
		err := r.runner.Run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("the relay ended: %w", err)
	})
	g.Go(func() error {
		err := r.router.Run(ctx)
		if err == nil && ctx.Err() == nil {
			err = errors.New("all its subscribers are closed")
		}
		if err != nil {
			return fmt.Errorf("the message router ended: %w", err)
		}
		return nil
	})
	g.Go(func() error { return r.calls.run(ctx) })
	g.Go(func() error { return r.scheduler.run(ctx) })
	g.Go(func() error { return r.watch.run(ctx) })
	return g.Wait()
}

// Ready is nil while reactions run, their lag is known and it is within LagLimit.
func (r *Reactions) Ready() error {
	if !r.running.Load() {
		return errors.New("reactions do not run")
	}
	return r.watch.ready()
}

// Lag measures now.
func (r *Reactions) Lag(ctx context.Context) (Lag, error) {
	return measure(ctx, &r.cfg, r.scheduler.overdue())
}
