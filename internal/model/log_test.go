package model

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/faults"
	"github.com/subledger/subledger/internal/ledgertest"
	"github.com/subledger/subledger/internal/pgtest"
	"github.com/subledger/subledger/projections"
)

// world is a database with two processes on it, one of them behind a proxy that loses answers, and a projector.
type world struct {
	db     *pgtest.DB
	master eventstore.MasterKey
	owner  *pgxpool.Pool
	proxy  *faults.Proxy
	stores [2]*eventstore.Store
	reads  [2]*projections.Reads
	checks *projections.Entitlements
	crash  atomic.Pointer[string] // the step at which the next append of the first process dies
	passed atomic.Int64           // nanoseconds since start, by the processes' clocks
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{db: pgtest.New(t), master: eventstore.NewMasterKey()}
	pool := func(url string, n int32) *pgxpool.Pool {
		p, err := eventstore.OpenPool(t.Context(), url, func(c *pgxpool.Config) { c.MaxConns = n })
		require.NoError(t, err)
		t.Cleanup(p.Close)
		return p
	}
	w.owner = pool(w.db.URL, 4)
	require.NoError(t, eventstore.Bootstrap(t.Context(), w.owner, w.master))
	var through string
	w.proxy, through = faults.NewProxy(t, w.db.AppURL)
	for i, url := range []string{w.db.AppURL, through} {
		var err error
		w.stores[i], err = eventstore.Open(t.Context(), pool(url, 6), w.master, eventstore.Vocabularies(), eventstore.Config{
			Now:          w.process,
			UnknownAfter: 200 * time.Millisecond,
			Logger:       slog.New(slog.DiscardHandler),
			Fault: func(step string) error {
				if at := w.crash.Load(); i == 0 && at != nil && *at == step && w.crash.CompareAndSwap(at, nil) {
					return errors.New("crashed " + step)
				}
				return nil
			}})
		require.NoError(t, err)
		t.Cleanup(w.stores[i].Close)
	}
	w.project(t, pool(w.db.AppURL, 4), pool(w.db.ReaderURL, 4))
	return w
}

// project keeps read models, of which both processes read.
func (w *world) project(t *testing.T, app, reader *pgxpool.Pool) {
	applied := projections.NewApplied()
	for i, s := range w.stores {
		w.reads[i] = projections.NewReads(reader, applied, s.Acknowledged)
	}
	w.checks = projections.NewEntitlements(projections.EntitlementConfig{Reads: w.reads[0], Pool: app})
	c := projections.Config{Log: w.stores[0], Pool: app, Applied: applied, Follow: w.checks.Follow, Logger: slog.New(slog.DiscardHandler)}
	for _, m := range projections.Models() {
		c.Projections = append(c.Projections, m)
	}
	runner := projections.NewRunner(c)
	for _, s := range w.stores {
		s.Subscribe(runner.Committed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = runner.Run(ctx) })
	running.Go(func() { _ = w.checks.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

func (w *world) process() time.Time   { return start.Add(time.Duration(w.passed.Load())) }
func (w *world) pass(d time.Duration) { w.passed.Add(int64(d)) }

// book is an organisation's test ledger in the world, as a keeper.
type book struct {
	*world
	t      *testing.T
	test   uuid.UUID
	org    uuid.UUID
	states map[uuid.UUID]domain.State
	folded int64 // the position of states

	mu       sync.Mutex
	position int64 // the highest that was told
}

func (w *world) open(t *testing.T) *book {
	b := &book{world: w, t: t, test: uuid.New(), org: uuid.New(), states: map[uuid.UUID]domain.State{}}
	create, err := w.stores[0].NewOrganisation(b.org, uuid.New(), b.test, "Model", "USD", "UTC")
	require.NoError(t, err)
	_, err = w.insist(t.Context(), 0, eventstore.Request{Ledger: w.stores[0].SystemLedger(), Key: b.org.String(), Command: create})
	require.NoError(t, err)
	return b
}

// insist sends a request with its key until there is an answer: on a busy machine the time for an outcome is over soon.
func (w *world) insist(ctx context.Context, which int, r eventstore.Request) (eventstore.Result, error) {
	for try := 0; ; try++ {
		res, err := w.stores[which].Execute(ctx, r)
		refusal, refused := domain.AsRefusal(err)
		switch {
		case err == nil || refused && refusal.Kind != domain.Unavailable:
			return res, err
		case try == 10:
			return res, fmt.Errorf("no answer in ten tries: %w", err)
		}
	}
}

func (b *book) ledger() uuid.UUID       { return b.test }
func (b *book) organisation() uuid.UUID { return b.org }

func (b *book) newOrganisation(t *rapid.T, id uuid.UUID) domain.Command {
	create, err := b.stores[0].NewOrganisation(id, uuid.New(), uuid.New(), "Model", "", "")
	require.NoError(t, err)
	return create
}

// faulty prepares what happens on the way of the next command, and tells which process it has to ask for that.
func (b *book) faulty(s sending) (process int) {
	crash := func(step string) int { b.crash.Store(&step); return 0 }
	switch s.fault {
	case 13: // rapid likes small numbers, and each of these costs what an outcome is looked for
		b.proxy.LoseAnswers(1)
		return 1
	case 14:
		return crash("before append")
	case 15:
		return crash("after append")
	}
	return s.process
}

func (b *book) calm() { b.proxy.LoseAnswers(0); b.crash.Store(nil) }

func (b *book) do(t *rapid.T, s sending) told {
	which := b.faulty(s)
	defer b.calm()
	got, _, err := b.send(s, which)
	require.NoError(t, err)
	if got.code == "" {
		b.calm()
		again, replayed, err := b.send(s, 1-which)
		require.NoError(t, err)
		require.True(t, replayed, "a retry by another process is told the first answer")
		require.JSONEq(t, string(got.answer), string(again.answer))
	}
	return got
}

func (b *book) together(t *rapid.T, all []sending) []told {
	b.faulty(all[0])
	defer b.calm()
	answers, failed := make([]told, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() { answers[i], _, failed[i] = b.send(s, s.process) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(failed...))
	return answers
}

func (b *book) request(s sending) eventstore.Request {
	ledger := b.test
	if s.system {
		ledger = b.stores[0].SystemLedger()
	}
	return eventstore.Request{Ledger: ledger, Key: b.test.String() + s.key, Fingerprint: s.fingerprint(), Command: s.command}
}

func (b *book) send(s sending, which int) (_ told, replayed bool, _ error) {
	res, err := b.insist(b.t.Context(), which, b.request(s))
	refusal, refused := domain.AsRefusal(err)
	switch {
	case refused && refusal.Kind != domain.Unavailable:
		return told{code: refusal.Code}, false, nil
	case err != nil:
		return told{}, false, err
	}
	if !s.system {
		b.mu.Lock()
		b.position = max(b.position, res.Position)
		b.mu.Unlock()
	}
	got := told{answer: res.Answer}
	if res.Last >= res.First {
		got.first = res.First
	}
	return got, res.Replayed, nil
}

// state is the fold of what the log holds: each event is read once, in order.
func (b *book) state(t *rapid.T, system bool, stream uuid.UUID) domain.State {
	if system {
		state, _, err := b.stores[0].Fold(b.t.Context(), b.stores[0].SystemLedger(), stream)
		require.NoError(t, err)
		return state
	}
	for b.folded < b.position {
		events, err := b.stores[0].Page(b.t.Context(), b.test, b.folded, 500)
		require.NoError(t, err)
		require.NotEmpty(t, events, "position %d was told", b.position)
		for _, e := range events {
			if b.states[e.Stream] == nil {
				at := slices.IndexFunc(vocabularies, func(v domain.Vocabulary) bool { return v.Kind == e.Kind() })
				b.states[e.Stream] = vocabularies[at].New()
			}
			domain.Evolve(b.states[e.Stream], e.Event, e.Stream, e.Version, e.RecordedAt, e.EffectiveAt)
			b.folded = e.Position
		}
	}
	return b.states[stream]
}

var vocabularies = eventstore.Vocabularies()

// read holds the read models against the reference, at the position that was told last, in whichever process.
func (b *book) read(t *rapid.T, r *reference) {
	ctx := b.t.Context()
	for _, reads := range b.reads {
		at, err := reads.At(ctx, b.test, b.position)
		require.NoError(t, err)
		require.GreaterOrEqual(t, at, b.position)
	}
	require.Equal(t, r.rows(), b.rows(t, r))
	for _, p := range r.subs {
		folded, _, err := b.stores[1].Fold(ctx, b.test, p.id)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(b.states[p.id], folded, ledgertest.Equal()))
	}
	for product := range r.products {
		for _, days := range []int{0, 3} {
			users := r.users()
			for _, asked := range append([][]string{users}, slices.Collect(slices.Chunk(users, 1))...) {
				answer, err := b.checks.Check(ctx, projections.Question{Ledger: b.test, Product: r.products[product].id, Grantees: asked, GraceDays: days}, r.now)
				require.NoError(t, err)
				want := r.entitled(product, asked, time.Duration(days)*24*time.Hour)
				require.Equal(t, want, answer.EndDates, "what %v may use with %d days of grace", asked, days)
			}
		}
	}
}

func namesOf(all []catalog.CapabilityRef) (names []string) {
	for _, c := range all {
		names = append(names, c.Name)
	}
	return names
}
