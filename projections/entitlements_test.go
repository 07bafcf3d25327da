package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/pgtest"
)

// handover is what a runner would say after a page.
func handover(ctx context.Context, tx pgx.Tx, models []*Model, events []*eventstore.Recorded) (Handover, error) {
	var h Handover
	for _, m := range models {
		p := m.newPage()
		if err := foldPages(ctx, tx, []*Page{p}, [][]*eventstore.Recorded{events}); err != nil {
			return h, err
		}
		q := &pgx.Batch{}
		if err := p.queueWrites(q); err != nil {
			return h, err
		}
		if err := sendAll(ctx, tx, q); err != nil {
			return h, err
		}
		for _, b := range p.buffers {
			h.Rows = append(h.Rows, b.written()...)
		}
		h.Moves = append(h.Moves, Move{events[0].Ledger, m.Name(), events[0].Position - 1, events[len(events)-1].Position})
	}
	return h, nil
}

// Whatever happened, and at whatever instant: the index, moved on by rows or by reading again, says
// what the database says, and what a plain list of active licences says.
func TestEntitlementsAgreeWithTheDatabase(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	owner, app := pgtest.Pool(t, db.URL), pgtest.Pool(t, db.AppURL)
	reads := NewReads(pgtest.Pool(t, db.ReaderURL), nil, nil)
	ctx := t.Context()
	ledgers := 0
	rapid.Check(t, func(t *rapid.T) {
		ledgers++
		ledger := id(1000000 + ledgers)
		events := drawHistory(t, ledger, rapid.IntRange(1, 25).Draw(t, "steps"))
		_, err := owner.Exec(ctx, `insert into ledgers (ledger_id, organisation_id, mode, position, head, recorded_at, wrapped_key)
			values ($1, $1, 'live', $2, $3, $4, '')`, ledger, len(events), make([]byte, 32), june)
		require.NoError(t, err)
		x := NewEntitlements(EntitlementConfig{Reads: reads, Pool: app})
		reader := NewEntitlements(EntitlementConfig{Reads: reads, Pool: app}) // as in another process
		models := Models()
		for len(events) > 0 {
			n := rapid.IntRange(min(2, len(events)), len(events)).Draw(t, "page") // the first holds both products
			var h Handover
			require.NoError(t, pgx.BeginFunc(ctx, app, func(tx pgx.Tx) (err error) {
				if h, err = handover(ctx, tx, models, events[:n]); err != nil {
					return err
				}
				for _, e := range events[:n] { // for the reader's refresh
					if _, err := tx.Exec(ctx, `insert into events (ledger_id, position, stream_id, version, event_id, type, data, meta, recorded_at, effective_at, hash)
						values ($1, $2, $3, $4, $5, $6, '{}', '{}', now(), now(), $7)`, e.Ledger, e.Position, e.Stream, e.Version, uuid.New(), e.Type, make([]byte, 32)); err != nil {
						return err
					}
				}
				for _, m := range models {
					if _, err := tx.Exec(ctx, `insert into checkpoints (ledger_id, projection, position) values ($1, $2, $3)
						on conflict (ledger_id, projection) do update set position = excluded.position`, ledger, m.Name(), events[n-1].Position); err != nil {
						return err
					}
				}
				return nil
			}))
			x.Follow(h)
			require.NoError(t, reader.confirm(ctx))
			events = events[n:]

			for range 3 {
				at := day(1).Add(time.Duration(rapid.IntRange(-48, 24*200).Draw(t, "at")) * time.Hour)
				product := id(1 + rapid.IntRange(0, 1).Draw(t, "of"))
				who := grantees[1 : 1+rapid.IntRange(1, 3).Draw(t, "who")]
				grace := rapid.SampledFrom([]int{0, 0, 1, 10}).Draw(t, "grace")
				ask := Question{Ledger: ledger, Product: product, Grantees: who, GraceDays: grace, Catalog: rapid.Bool().Draw(t, "catalog")}
				got, err := x.Check(ctx, ask, at)
				require.NoError(t, err)
				want, _, err := x.ask(ctx, ask, at)
				require.NoError(t, err)
				require.Empty(t, cmp.Diff(want, got), "index and database at %s", at)
				other, err := reader.Check(ctx, ask, at)
				require.NoError(t, err)
				require.Empty(t, cmp.Diff(want, other), "an index that reads again, at %s", at)
				if grace == 0 {
					require.Empty(t, cmp.Diff(naive(ctx, t, reads, ledger, product, who, at), got.EndDates), "a list of licences at %s", at)
				}
				if !got.ValidUntil.IsZero() && got.ValidUntil.After(at) {
					before, err := x.Check(ctx, ask, got.ValidUntil.Add(-time.Microsecond))
					require.NoError(t, err)
					before.ValidUntil = got.ValidUntil // a start that its end forestalls makes it earlier than need be
					require.Empty(t, cmp.Diff(got, before), "it changed before %s", got.ValidUntil)
				}
			}
		}
	})
}

func naive(ctx context.Context, t require.TestingT, reads *Reads, ledger, product uuid.UUID, who []string, at time.Time) map[string]time.Time {
	ends := map[string]time.Time{}
	for _, status := range []string{"ACTIVE", "TRIALING", "EVALUATION"} {
		for _, g := range who {
			all, err := reads.Licenses(ctx, ledger, LicenseFilter{ProductID: product, Grantee: g, Status: status}, at, Keyset{Limit: MaxLimit})
			require.NoError(t, err)
			for _, l := range all {
				require.Equal(t, status, l.Status, "SQL and Go disagree")
				for _, c := range l.Capabilities {
					if l.EndTime.After(ends[c.Name]) {
						ends[c.Name] = l.EndTime
					}
				}
			}
		}
	}
	return ends
}

func TestEffectiveStatusAgrees(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	app := pgtest.Pool(t, db.AppURL)
	reads := NewReads(pgtest.Pool(t, db.ReaderURL), nil, nil)
	ctx, models, ledgers := t.Context(), Models(), 0
	rapid.Check(t, func(t *rapid.T) {
		ledgers++
		ledger := id(1000000 + ledgers)
		events := drawHistory(t, ledger, rapid.IntRange(1, 25).Draw(t, "steps"))
		require.NoError(t, pgx.BeginFunc(ctx, app, func(tx pgx.Tx) error {
			_, err := handover(ctx, tx, models, events)
			return err
		}))
		at := day(1).Add(time.Duration(rapid.IntRange(-48, 24*200).Draw(t, "at")) * time.Hour)
		bySQL, byGo := map[uuid.UUID]string{}, map[uuid.UUID]string{}
		for _, status := range []string{"ACTIVE", "CANCELED", "EVALUATION", "SCHEDULED", "TRIALING", "INACTIVE"} {
			list, err := reads.Licenses(ctx, ledger, LicenseFilter{Status: status}, at, Keyset{Limit: MaxLimit})
			require.NoError(t, err)
			for _, l := range list {
				bySQL[l.ID] = status
			}
		}
		list, err := reads.Licenses(ctx, ledger, LicenseFilter{}, at, Keyset{Limit: MaxLimit})
		require.NoError(t, err)
		for _, l := range list {
			byGo[l.ID] = l.Status
		}
		require.Equal(t, byGo, bySQL)

		subs, err := reads.Subscriptions(ctx, ledger, SubscriptionFilter{}, at, Keyset{Limit: MaxLimit})
		require.NoError(t, err)
		for _, s := range subs {
			found, err := reads.Subscriptions(ctx, ledger, SubscriptionFilter{IDs: []uuid.UUID{s.ID}, Status: s.StatusAt(at)}, at, Keyset{})
			require.NoError(t, err)
			require.Len(t, found, 1, "%s is %s", s.ID, s.StatusAt(at))
			// The core computes the same from its own fold.
			state := &subscription.State{}
			for _, e := range events {
				if e.Stream == s.ID {
					domain.Evolve(state, e.Event, e.Stream, e.Version, e.RecordedAt, e.EffectiveAt)
				}
			}
			if at.Before(events[len(events)-1].RecordedAt) {
				continue // a look back: rows know the newest state only
			}
			require.Equal(t, state.View(at).Status, s.StatusAt(at), "the core, at %s", at)
			for seat := range state.Seats() {
				require.Equal(t, license.SeatView(state, seat, at).Status, byGo[seat.ID], "the core's seat, at %s", at)
			}
		}
	})
}

func TestEncodedAnswersAreKeptUntilTheyChange(t *testing.T) {
	t.Parallel()
	h, db := twoLedgers(), pgtest.New(t)
	owner, app := pgtest.Pool(t, db.URL), pgtest.Pool(t, db.AppURL)
	h.publish(t, owner)
	applied := NewApplied()
	reads := NewReads(pgtest.Pool(t, db.ReaderURL), applied, h.head)
	encoded := 0
	x := NewEntitlements(EntitlementConfig{Reads: reads, Pool: app})
	r := running(t, Config{Log: h, Pool: app, Applied: applied, Follow: x.Follow}, nil)
	ask := func(at time.Time, who ...string) (string, int64) {
		got, err := x.Encoded(t.Context(), Asked{id(900), "test", fmt.Sprint(who)}, Question{Ledger: id(900), Product: id(1), Grantees: who}, at, func(a Answer) ([]byte, error) {
			encoded++
			return json.Marshal(fmt.Sprint(a.Capabilities, a.EndDates["read"].Format(time.DateOnly)))
		})
		require.NoError(t, err)
		return string(got.Body), got.Position
	}
	want := `"[read write]2026-07-01"`
	for range 3 {
		body, position := ask(day(8), "bob", "cleo")
		require.Equal(t, want, body)
		require.EqualValues(t, 9, position)
	}
	require.Equal(t, 1, encoded)

	sub := h.events[id(900)][1].Stream
	write := func(e domain.Event) {
		r.Committed(h.add(id(900), sub, day(8), e))
	}
	write(subscription.OwnerChanged{Owner: domain.Owner("bolt")}) // changes rows, not the answer
	body, position := ask(day(8), "bob", "cleo")
	require.Equal(t, want, body)
	require.EqualValues(t, 10, position, "it reads what this process wrote")
	require.Equal(t, 1, encoded)

	body, _ = ask(day(31), "bob", "cleo")
	require.Empty(t, body, "it ended by itself")
	body, _ = ask(day(8), "bob", "cleo")
	require.Equal(t, want, body, "a test clock may be started before what was answered")
	write(subscription.Ended{At: day(9), Reason: "canceled"})
	body, _ = ask(day(9), "bob", "cleo")
	require.Empty(t, body)

	_, err := x.Check(t.Context(), Question{Ledger: id(900), Product: id(4444), Grantees: []string{"bob"}}, day(9))
	require.ErrorIs(t, err, &domain.Error{Code: "no_product"})
}

// What is known is given without waiting, or not at all: not while the read models are behind what was acknowledged, nor
// from an index that nobody confirms or moves on.
func TestKnownAnswersAreCurrent(t *testing.T) {
	t.Parallel()
	h, db := twoLedgers(), pgtest.New(t)
	app := pgtest.Pool(t, db.AppURL)
	h.publish(t, pgtest.Pool(t, db.URL))
	var ahead atomic.Int64
	applied := NewApplied()
	reads := NewReads(pgtest.Pool(t, db.ReaderURL), applied, func(ledger uuid.UUID) int64 { return h.head(ledger) + ahead.Load() })
	x := NewEntitlements(EntitlementConfig{Reads: reads, Pool: app})
	running(t, Config{Log: h, Pool: app, Applied: applied, Follow: x.Follow}, nil)
	who := []string{"bob", "cleo"}
	words := func(ledger int) Asked { return Asked{id(ledger), "test", "who=bob,cleo"} }
	encoded := 0
	ask := func(ledger int) {
		t.Helper()
		got, err := x.Encoded(t.Context(), words(ledger), Question{Ledger: id(ledger), Product: id(1), Grantees: who}, day(8), func(a Answer) ([]byte, error) {
			encoded++
			return json.Marshal(a.Capabilities)
		})
		require.NoError(t, err)
		x.cached(id(ledger)).confirmed.Store(time.Now().Add(time.Hour).UnixNano()) // nobody else does
		known, ok := x.Known(words(ledger), day(8))
		require.True(t, ok)
		require.Equal(t, got, known)
	}
	unknown := func(asked Asked) {
		t.Helper()
		_, ok := x.Known(asked, day(8))
		require.False(t, ok)
	}
	unknown(words(900))
	ask(900)
	unknown(Asked{id(900), "test", "who=cleo,bob"})
	unknown(Asked{id(900), "another", "who=bob,cleo"})
	unknown(words(901))

	ahead.Store(1) // this process was told of an event that no read model has
	unknown(words(900))
	ahead.Store(0)
	ask(900)

	x.cached(id(900)).confirmed.Store(time.Now().Add(-2 * staleAfter).UnixNano())
	unknown(words(900))
	x.cached(id(900)).confirmed.Store(time.Now().Add(time.Hour).UnixNano())

	old := x.cached(id(900))
	x.forget(id(900)) // as after a rebuild
	unknown(words(900))
	_, _, emptied, _ := old.check(Question{Ledger: id(900), Product: id(1), Grantees: who}, day(8))
	require.True(t, emptied, "who had it asks the database")
	require.Nil(t, old.licenses, "answers know it for long: it must not hold what it held")
	require.Equal(t, 1, encoded)
	ask(900)
	require.Equal(t, 1, encoded, "read anew, the answer is the same")

	ask(901)
	evicted := x.cached(id(901))
	require.NotNil(t, evicted.licenses)
	x.cached(id(900))
	x.Bytes = x.sizes[id(900)]
	x.weigh(x.cached(id(900))) // there is room for this one alone
	unknown(words(901))
	require.Nil(t, evicted.licenses)
	require.True(t, func() bool { _, ok := x.Known(words(900), day(8)); return ok }())
	x.Bytes--
	x.weigh(x.cached(id(900)))
	unknown(words(900))
}
