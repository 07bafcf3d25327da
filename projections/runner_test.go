package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/pgtest"
)

// dump is all rows of all read models, in one order.
func dump(t testing.TB, pool *pgxpool.Pool) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, m := range Models() {
		for _, table := range m.tables {
			rows, err := pool.Query(t.Context(), "select to_jsonb(t)::text from "+table.Name()+" t order by t")
			require.NoError(t, err)
			all[table.Name()], err = pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
		}
	}
	return all
}

func everything() (all []Projection) {
	for _, m := range Models() {
		all = append(all, m)
	}
	return all
}

// running starts a runner that ends with the test.
func running(t *testing.T, c Config, hook func(string) error) *Runner {
	t.Helper()
	if c.Projections == nil {
		c.Projections = everything()
	}
	r := NewRunner(c)
	r.hook = hook
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return r
}

func waitFor(t *testing.T, a *Applied, ledger uuid.UUID, position int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, a.Wait(ctx, ledger, position), "position %d, at %d", position, a.Position(ledger))
}

// twoLedgers is a history with something for every table but the meters.
func twoLedgers() *history {
	h := newHistory()
	for _, ledger := range []uuid.UUID{id(900), id(901)} {
		n := int(ledger[15]) * 1000
		h.add(ledger, id(1), day(1), catalog.ProductCreated{ProductFields: catalog.ProductFields{Name: "p", DisplayName: "P", PaymentIntegration: "free"}})
		h.add(ledger, id(n+100), day(1), started(10, n+200, "ada", "bob", ""))
		h.add(ledger, id(n+100), day(2), subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: id(n + 202), Grantee: domain.Grantee("cleo")}, {ID: id(n + 200)}}})
		h.add(ledger, id(n+100), day(3), subscription.SeatsAdded{TaskID: id(300), Seats: []uuid.UUID{id(n + 203)}, Capabilities: terms(10, "x").Capabilities, Quantity: 4})
		h.add(ledger, id(n+100), day(4), subscription.SeatsRemoved{TaskID: id(301), Seats: []uuid.UUID{id(n + 203)}, Quantity: 3})
		h.add(ledger, id(n+100), day(5), subscription.CancellationScheduled{EndsAt: day(31)}, subscription.Reactivated{}, subscription.CancellationScheduled{EndsAt: day(31)})
		h.add(ledger, id(1), day(6), catalog.ProductArchived{})
	}
	return h
}

func all(h *history) (events []*eventstore.Recorded) {
	for _, ledger := range []uuid.UUID{id(900), id(901)} {
		events = append(events, h.events[ledger]...)
	}
	return events
}

// expected is what one page of everything makes of it.
func expected(t *testing.T, h *history) map[string][]string {
	pool := pgtest.Pool(t, pgtest.New(t).URL)
	apply(t, pool, Models(), all(h))
	return dump(t, pool)
}

func TestHandedOverEventsAreNotReadAgain(t *testing.T) {
	t.Parallel()
	h, db := twoLedgers(), pgtest.New(t)
	owner := pgtest.Pool(t, db.URL)
	h.publish(t, owner)
	applied := NewApplied()
	r := running(t, Config{Log: h, Pool: pgtest.Pool(t, db.AppURL), Applied: applied}, nil)
	waitFor(t, applied, id(900), 9)
	waitFor(t, applied, id(901), 9)
	require.Equal(t, expected(t, h), dump(t, owner))

	read := h.pages()
	added := h.add(id(900), id(1), day(7), catalog.ProductChanged{ProductFields: catalog.ProductFields{Name: "q", DisplayName: "Q"}})
	h.publish(t, owner)
	r.Committed(added)
	waitFor(t, applied, id(900), 10)
	require.Equal(t, read, h.pages())
}

// Case 133: however a runner dies between two steps, the next one neither repeats nor misses an event.
func TestF71_CrashBetweenStepsCountsNothingTwice(t *testing.T) {
	t.Parallel()
	h := twoLedgers()
	want := expected(t, h)
	over := false
	for call := 1; !over; call++ {
		t.Run(strconv.Itoa(call), func(t *testing.T) { // what it opens ends with it
			db := pgtest.New(t)
			owner, app := pgtest.Pool(t, db.URL), pgtest.Pool(t, db.AppURL)
			h.publish(t, owner)
			calls, at := 0, ""
			first := NewRunner(Config{Log: small{h}, Pool: app, Projections: everything(), Applied: NewApplied()})
			finished, cancel := context.WithCancel(t.Context())
			first.hook = func(step string) error {
				if calls++; calls == call {
					at = step
					return crash{step}
				}
				if step == "told" && first.Applied.Position(id(900)) == 9 && first.Applied.Position(id(901)) == 9 {
					cancel()
				}
				return nil
			}
			err := first.Run(finished)
			cancel()
			if !isCrash(err) {
				require.ErrorIs(t, err, context.Canceled)
				require.Greater(t, call, 30, "there are more steps than that")
				over = true
				return
			}
			applied := NewApplied()
			running(t, Config{Log: small{h}, Pool: app, Applied: applied}, nil)
			waitFor(t, applied, id(900), 9)
			waitFor(t, applied, id(901), 9)
			require.Equal(t, want, dump(t, owner), "crashed at call %d, after %s", call, at)
		})
	}
}

// small hands out two events at a time.
type small struct{ *history }

func (s small) Page(ctx context.Context, ledger uuid.UUID, after int64, limit int) ([]*eventstore.Recorded, error) {
	return s.history.Page(ctx, ledger, after, min(limit, 2))
}

func TestF07_PoisonParksItsLedgerAlone(t *testing.T) {
	t.Parallel()
	for name, poison := range map[string]domain.Event{
		"a row that is missing":        subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: id(7777)}}},
		"a text that Postgres refuses": subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: id(132200), Grantee: domain.Grantee("a\x00b")}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, db := twoLedgers(), pgtest.New(t)
			owner := pgtest.Pool(t, db.URL)
			h.add(id(900), id(132100), day(7), poison)
			h.add(id(900), id(132100), day(8), subscription.OwnerChanged{Owner: domain.Owner("bolt")})
			h.publish(t, owner)
			applied := NewApplied()
			repaired := make(chan struct{})
			r := running(t, Config{Log: h, Pool: pgtest.Pool(t, db.AppURL), Applied: applied, Metrics: prometheus.NewRegistry(),
				Follow: func(done Handover) {
					if slices.Contains(done.Moves, Move{id(900), "licenses", 9, 11}) {
						close(repaired)
					}
				}}, nil)
			waitFor(t, applied, id(901), 9)
			waitFor(t, applied, id(900), 11) // nobody waits for the parked one
			require.True(t, applied.Parked(id(900)))

			got, err := LedgerStatus(t.Context(), owner, id(900), r.names)
			require.NoError(t, err)
			for _, s := range got {
				want := Status{Name: s.Name, Position: 11, State: StateLive}
				if s.Name == "licenses" {
					want = Status{Name: s.Name, Position: 9, LagEvents: 2, State: StateParked, Parked: 1, LagSeconds: s.LagSeconds, Reason: s.Reason}
					require.NotEmpty(t, s.Reason)
				}
				require.Equal(t, want, s)
			}

			// Repaired: the event means something else now.
			h.mu.Lock()
			h.events[id(900)][9].Event = subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: id(132200), Grantee: domain.Grantee("dora")}}}
			h.mu.Unlock()
			n, err := Unpark(t.Context(), owner, id(900), "licenses")
			require.NoError(t, err)
			require.EqualValues(t, 1, n)
			r.Rescan()
			<-repaired
			waitFor(t, applied, id(900), 11)
			require.Equal(t, expected(t, h), dump(t, owner))
		})
	}
}

func TestTwoRunnersShareTheWork(t *testing.T) {
	t.Parallel()
	h, db := newHistory(), pgtest.New(t)
	for i := range 50 {
		for _, ledger := range []uuid.UUID{id(900), id(901)} {
			n := int(ledger[15])*100000 + i*100
			h.add(ledger, id(n+50), day(1), started(10, n, "ada", "bob", ""))
			h.add(ledger, id(n+50), day(2), subscription.SeatsAdded{TaskID: id(n + 51), Seats: []uuid.UUID{id(n + 3)}, Quantity: 4})
		}
	}
	owner, app := pgtest.Pool(t, db.URL), pgtest.Pool(t, db.AppURL)
	h.publish(t, owner)
	var both []*Applied
	for range 3 {
		applied := NewApplied()
		both = append(both, applied)
		running(t, Config{Log: small{h}, Pool: app, Applied: applied, Metrics: prometheus.NewRegistry()}, nil)
	}
	for _, a := range both {
		waitFor(t, a, id(900), 100)
		waitFor(t, a, id(901), 100)
	}
	require.Equal(t, expected(t, h), dump(t, owner))
}

func TestSignalsReachOtherProcesses(t *testing.T) {
	t.Parallel()
	h, db := twoLedgers(), pgtest.New(t)
	owner, app := pgtest.Pool(t, db.URL), pgtest.Pool(t, db.AppURL)
	log := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	start := func(run func(context.Context) error) {
		wg.Go(func() { _ = run(ctx) })
	}

	// One process projects, the other writes and reads.
	tellApplied := NewAnnouncer(app, ChannelApplied, "projector", log)
	start(tellApplied.Run)
	r := running(t, Config{Log: h, Pool: app, Applied: NewApplied(), Announce: tellApplied.Announce}, nil)
	listening := make(chan struct{}, 2)
	start((&Listener{Connection: app.Config().ConnConfig, Sender: "projector", Committed: r.Nudge, Logger: log,
		Connected: func() { listening <- struct{}{} }}).Run)

	applied := NewApplied()
	tellCommitted := NewAnnouncer(app, ChannelCommitted, "api", log)
	start(tellCommitted.Run)
	w := NewWatcher(app, applied, Models(), tellCommitted, log)
	start(w.Run)
	start((&Listener{Connection: app.Config().ConnConfig, Sender: "api", Applied: w.Nudge, Logger: log,
		Connected: func() { listening <- struct{}{} }}).Run)
	<-listening
	<-listening

	h.publish(t, owner)
	tellCommitted.Committed(h.events[id(900)])
	waitFor(t, applied, id(900), 9)

	reads := NewReads(pgtest.Pool(t, db.ReaderURL), applied, func(uuid.UUID) int64 { return 9 })
	position, err := reads.At(t.Context(), id(900), 0)
	require.NoError(t, err)
	require.EqualValues(t, 9, position)
	// What this process acknowledged and the read models do not hold: a list says how far it is, whether
	// somebody has access is refused.
	behind := NewReads(pgtest.Pool(t, db.ReaderURL), applied, func(uuid.UUID) int64 { return 10 })
	position, err = behind.At(t.Context(), id(900), 0)
	require.NoError(t, err)
	require.EqualValues(t, 9, position)
	_, err = behind.Caught(t.Context(), id(900))
	require.ErrorIs(t, err, &domain.Error{Code: "position_not_reached"})
	position, err = reads.At(t.Context(), id(900), 10)
	require.ErrorIs(t, err, &domain.Error{Code: "position_not_reached"})
	require.EqualValues(t, 9, position)

	// What a third one wrote, and ended before it told, is announced by who waits for it.
	h.add(id(900), id(1), day(7), catalog.ProductArchived{})
	h.publish(t, owner)
	position, err = behind.Caught(t.Context(), id(900))
	require.NoError(t, err)
	require.EqualValues(t, 10, position)
}

// A process that acknowledged what stands on another's events waits for those, though the other told nobody of them:
// no scan comes while a check waits.
func TestWhatNobodyToldOfIsLookedForWhileSomebodyWaits(t *testing.T) {
	t.Parallel()
	h, db := twoLedgers(), pgtest.New(t)
	owner := pgtest.Pool(t, db.URL)
	h.publish(t, owner)
	applied := NewApplied()
	running(t, Config{Log: h, Pool: pgtest.Pool(t, db.AppURL), Applied: applied}, nil)
	waitFor(t, applied, id(900), 9)
	waitFor(t, applied, id(901), 9)

	h.add(id(900), id(1), day(7), catalog.ProductArchived{})
	h.publish(t, owner)
	reads := NewReads(pgtest.Pool(t, db.ReaderURL), applied, func(uuid.UUID) int64 { return 10 })
	position, err := reads.Caught(t.Context(), id(900))
	require.NoError(t, err)
	require.EqualValues(t, 10, position)
}

// A fault of the database is retried, not blamed on an event.
func TestFaultsAreNotBlamedOnEvents(t *testing.T) {
	t.Parallel()
	h, db := twoLedgers(), pgtest.New(t)
	owner := pgtest.Pool(t, db.URL)
	h.publish(t, owner)
	applied := NewApplied()
	var once sync.Once
	running(t, Config{Log: h, Pool: pgtest.Pool(t, db.AppURL), Applied: applied}, func(step string) (err error) {
		if step == "written" {
			once.Do(func() {
				_, kill := owner.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
					where datname = current_database() and usename = 'subledger_app'`)
				err = errors.Join(kill, nil)
			})
		}
		return err
	})
	waitFor(t, applied, id(900), 9)
	waitFor(t, applied, id(901), 9)
	require.False(t, applied.Parked(id(900)) || applied.Parked(id(901)))
	require.Equal(t, expected(t, h), dump(t, owner))
}

func BenchmarkPages(b *testing.B) {
	for _, ledgers := range []int{1, 1000} {
		b.Run(fmt.Sprintf("ledgers=%d", ledgers), func(b *testing.B) {
			db := pgtest.New(b)
			owner := pgtest.Pool(b, db.URL)
			h := newHistory()
			for i := range ledgers {
				h.add(id(100000+i), id(1), day(1), started(10, 100, "ada", "bob"))
			}
			h.publish(b, owner)
			applied := NewApplied()
			r := NewRunner(Config{Log: h, Pool: pgtest.Pool(b, db.AppURL), Projections: everything(), Applied: applied})
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error, 1)
			go func() { done <- r.Run(ctx) }()
			defer func() { cancel(); <-done }()
			wait := func() {
				for i := range ledgers {
					require.NoError(b, applied.Wait(b.Context(), id(100000+i), h.head(id(100000+i))))
				}
			}
			wait()
			for b.Loop() {
				for i := range 1000 {
					ledger := id(100000 + i%ledgers)
					r.Committed(h.add(ledger, id(1), day(2), subscription.OwnerChanged{Owner: domain.Owner("bolt")}))
				}
				wait()
			}
			b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// A standby that was behind takes over after an event was handed over and before it was applied: what is applied
// then is what stands in the log, never the event that was lost.
func TestF38_AnEventThatWasLostIsNotApplied(t *testing.T) {
	t.Parallel()
	h, db, ledger := newHistory(), pgtest.New(t), id(900)
	pool, owner := pgtest.Pool(t, db.AppURL), pgtest.Pool(t, db.URL)
	name := func(n string) catalog.ProductCreated {
		return catalog.ProductCreated{ProductFields: catalog.ProductFields{Name: n, DisplayName: n, PaymentIntegration: "free"}}
	}
	h.add(ledger, id(1), day(1), name("first"))
	h.publish(t, owner)
	applied, takenOver := NewApplied(), false
	var armed atomic.Bool
	r := running(t, Config{Log: h, Pool: pool, Applied: applied, Logger: slog.New(slog.DiscardHandler), Fault: func(step string) error {
		if step != "gathered" || !armed.Load() || takenOver {
			return nil
		}
		takenOver = true
		h.mu.Lock()
		h.events[ledger] = h.events[ledger][:1]
		h.mu.Unlock()
		h.add(ledger, id(3), day(2), name("there"))
		h.publish(t, owner)
		return errors.New("the server is gone")
	}}, nil)
	waitFor(t, applied, ledger, 1)
	lost := h.add(ledger, id(2), day(2), name("lost"))
	armed.Store(true)
	r.Committed(lost)
	waitFor(t, applied, ledger, 2)
	var names []string
	require.NoError(t, owner.QueryRow(t.Context(), "select array_agg(name order by id) from products").Scan(&names))
	require.Equal(t, []string{"first", "there"}, names)
}
