package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/pgtest"
)

// shape is all about the tables but their rows.
func shape(t testing.TB, pool *pgxpool.Pool) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `
		select indexdef from pg_indexes where schemaname = 'public'
		union all select p::text from pg_policies p where schemaname = 'public'
		union all select relname || coalesce(array_to_string(reloptions, ','), '') || relrowsecurity || coalesce(obj_description(oid, 'pg_class'), '')
			|| coalesce((select string_agg(a::text, ',' order by a::text) from unnest(relacl) a), '') from pg_class
			where relnamespace = 'public'::regnamespace and relkind = 'r'
		union all select conrelid::regclass || conname || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace
		union all select nspname from pg_namespace where nspname like 'rebuild%'
		order by 1`)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return all
}

// productPool is as the product opens it: numbers keep the digits behind the point that they were written with.
func productPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := eventstore.OpenPool(t.Context(), url, nil)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func TestRebuildMakesTheSameRows(t *testing.T) {
	t.Parallel()
	h, db := newHistory(), pgtest.New(t)
	owner, app := productPool(t, db.URL), productPool(t, db.AppURL)
	ledgers := []uuid.UUID{id(900), id(901), id(902)}
	seed := 0
	for _, ledger := range ledgers {
		seed++
		h.events[ledger] = rapid.Custom(func(t *rapid.T) *history {
			one := newHistory()
			one.events[ledger] = drawHistory(t, ledger, 60)
			return one
		}).Example(seed).events[ledger]
	}
	billed := id(903)
	ledgers = append(ledgers, billed)
	h.events[billed] = rapid.Custom(func(t *rapid.T) *drawn { return drawBills(t, billed, 80) }).Example(4).h.events[billed]
	h.publish(t, owner)
	applied := NewApplied()
	r := running(t, Config{Log: small{h}, Pool: app, Applied: applied}, nil)
	for _, ledger := range ledgers {
		waitFor(t, applied, ledger, h.head(ledger))
	}
	before, rows := shape(t, owner), dump(t, owner)

	// Killed after the first ledger's rows were written, it goes on with the others.
	config := RebuildConfig{Log: h, Owner: owner, Models: Models()}
	first := NewRebuild(config)
	require.NoError(t, first.prepare(t.Context()))
	w, err := first.newWorker(t.Context())
	require.NoError(t, err)
	require.NoError(t, w.fold(t.Context(), end{Ledger: ledgers[0], Position: h.head(ledgers[0])}))
	require.NoError(t, w.flush(t.Context()))
	ctx, kill := context.WithCancel(t.Context())
	var at atomic.Int64
	config.Progress = func(done, total int64) {
		if done > h.head(ledgers[0]) {
			at.Store(done)
			kill()
		}
	}
	require.ErrorIs(t, NewRebuild(config).Run(ctx), context.Canceled)
	require.Positive(t, at.Load())

	var began int64 = -1
	config.Progress = func(done, total int64) {
		if began < 0 {
			began = done
		}
	}
	rebuild := NewRebuild(config)
	rebuild.flushAt = 1 // after each ledger
	require.NoError(t, rebuild.Run(t.Context()))
	require.GreaterOrEqual(t, began, h.head(ledgers[0]), "what was written is not folded again")

	// It goes on beside the live tables, and catches up.
	added := h.add(ledgers[0], id(1), day(200), catalog.ProductArchived{})
	h.publish(t, owner)
	r.Committed(added)
	waitFor(t, applied, ledgers[0], h.head(ledgers[0]))
	differences, err := rebuild.Check(t.Context())
	require.NoError(t, err)
	require.Empty(t, differences)

	_, err = owner.Exec(t.Context(), `update subscriptions set quantity = 4711 where (ledger_id, id) = (select ledger_id, id from subscriptions limit 1)`)
	require.NoError(t, err)
	_, err = owner.Exec(t.Context(), `delete from licenses where (ledger_id, id) = (select ledger_id, id from licenses limit 1)`)
	require.NoError(t, err)
	differences, err = rebuild.Check(t.Context())
	require.NoError(t, err)
	require.Len(t, differences, 2)
	slices.SortFunc(differences, func(a, b Difference) int { return cmp.Compare(a.Table, b.Table) })
	require.Equal(t, []string{"licenses", "subscriptions"}, []string{differences[0].Table, differences[1].Table})
	require.Empty(t, differences[0].Live)
	require.Contains(t, differences[1].Live, "4711")

	added = h.add(ledgers[1], id(1), day(200), catalog.ProductArchived{})
	h.publish(t, owner)
	require.NoError(t, rebuild.Swap(t.Context()))
	r.Committed(added)
	waitFor(t, applied, ledgers[1], h.head(ledgers[1]))
	added = h.add(ledgers[1], id(1), day(201), catalog.ProductChanged{ProductFields: catalog.ProductFields{Name: "n", DisplayName: "N"}})
	h.publish(t, owner)
	r.Committed(added)
	waitFor(t, applied, ledgers[1], h.head(ledgers[1]))
	require.Empty(t, gocmp.Diff(before, shape(t, owner)))
	after := dump(t, owner)
	require.Equal(t, rows["licenses"], after["licenses"])
	require.Equal(t, rows["subscriptions"], after["subscriptions"])

	// The same as one who applies it all at once.
	pool := productPool(t, pgtest.New(t).URL)
	for _, ledger := range ledgers {
		apply(t, pool, Models(), h.events[ledger])
	}
	require.Equal(t, dump(t, pool), after)
}

// A read model that a new version brings is built beside the others, whose runner goes on.
func TestANewReadModelIsBuilt(t *testing.T) {
	t.Parallel()
	h, db := newHistory(), pgtest.New(t)
	owner, app := pgtest.Pool(t, db.URL), pgtest.Pool(t, db.AppURL)
	ledgers := []uuid.UUID{id(900), id(901)}
	busy(h, ledgers[0], pageEvents-10)
	busy(h, ledgers[1], 10)
	h.publish(t, owner)
	none, err := Unbuilt(t.Context(), owner)
	require.NoError(t, err)
	require.Empty(t, none, "the runner makes them as fast")
	h.add(ledgers[1], id(1), day(200), catalog.ProductArchived{})
	h.publish(t, owner)
	all, err := Unbuilt(t.Context(), owner)
	require.NoError(t, err)
	require.Len(t, all, len(Models()))

	applied := NewApplied()
	before := Models()
	fresh := before[slices.IndexFunc(before, func(m *Model) bool { return m.name == "usage_records" })]
	var olds []Projection
	for _, m := range before {
		if m.name != fresh.name {
			olds = append(olds, m)
		}
	}
	old := running(t, Config{Log: h, Pool: app, Applied: applied, Projections: olds}, nil)
	for _, ledger := range ledgers {
		waitFor(t, applied, ledger, h.head(ledger))
	}
	one, err := Unbuilt(t.Context(), owner)
	require.NoError(t, err)
	require.Len(t, one, 1)
	require.Equal(t, fresh.name, one[0].name)
	build := NewRebuild(RebuildConfig{Log: h, Owner: owner, Models: one})
	require.NoError(t, build.Run(t.Context()))
	require.NoError(t, build.Swap(t.Context()))
	one, err = Unbuilt(t.Context(), owner)
	require.NoError(t, err)
	require.Empty(t, one)

	// The version before goes on, and so does this one.
	old.Committed(h.add(ledgers[0], id(1), day(201), catalog.ProductChanged{ProductFields: catalog.ProductFields{Name: "n", DisplayName: "N"}}))
	h.publish(t, owner)
	waitFor(t, applied, ledgers[0], h.head(ledgers[0]))
	now := NewApplied()
	running(t, Config{Log: h, Pool: app, Applied: now}, nil)
	for _, ledger := range ledgers {
		waitFor(t, now, ledger, h.head(ledger))
	}
	pool := productPool(t, pgtest.New(t).URL)
	for _, ledger := range ledgers {
		apply(t, pool, Models(), h.events[ledger])
	}
	require.Equal(t, dump(t, pool), dump(t, owner))
}

func TestRebuildStopsAtPoison(t *testing.T) {
	t.Parallel()
	h, db := twoLedgers(), pgtest.New(t)
	owner := pgtest.Pool(t, db.URL)
	h.add(id(900), id(132100), day(7), subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: id(7777)}}})
	h.publish(t, owner)
	rebuild := NewRebuild(RebuildConfig{Log: h, Owner: owner, Models: Models()})
	err := rebuild.Run(t.Context())
	var poison *EventError
	require.True(t, errors.As(err, &poison), "%v", err)
	require.EqualValues(t, 10, poison.Event.Position)
	require.NoError(t, rebuild.Drop(t.Context()))
	require.NotContains(t, fmt.Sprint(shape(t, owner)), "rebuild_")
}

// busy is a ledger as most are: a few subscriptions with seats, many usage records.
func busy(h *history, ledger uuid.UUID, events int) {
	h.add(ledger, id(1), day(1), catalog.ProductCreated{ProductFields: catalog.ProductFields{Name: "p", DisplayName: "P"}})
	for s := range 5 {
		h.add(ledger, id(100+s), day(1), started(10, 1000+10*s, "ada", "bob", "", "", ""))
	}
	for i := 6; i < events; i++ {
		sub := id(100 + i%5)
		seat := id(1000 + 10*(i%5) + i/5%5)
		switch {
		case i%10 < 7:
			h.add(ledger, usage.StreamID(seat, "calls"), day(2), usage.Recorded{Key: "k", LicenseID: seat, SubscriptionID: &sub, PlanID: id(10), ProductID: id(1),
				Meter: "calls", Quantity: decimal.New(1, 0), At: day(2 + i%300)})
		case i%10 == 7:
			h.add(ledger, sub, day(2), subscription.Renewed{Period: subscription.Period{Start: day(31), End: day(61)}})
		default:
			h.add(ledger, sub, day(2), subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: seat, Grantee: domain.Grantee("dora")}}})
		}
	}
}

func BenchmarkRebuild(b *testing.B) {
	for _, ledgers := range []int{1, 1000} {
		b.Run(fmt.Sprintf("ledgers=%d", ledgers), func(b *testing.B) {
			const events = 1_000_000
			db := pgtest.New(b)
			owner := pgtest.Pool(b, db.URL)
			h := newHistory()
			for i := range ledgers {
				busy(h, id(100000+i), events/ledgers)
			}
			h.publish(b, owner)
			for b.Loop() {
				r := NewRebuild(RebuildConfig{Log: h, Owner: owner, Models: Models()})
				require.NoError(b, r.Run(b.Context()))
				b.StopTimer()
				require.NoError(b, r.Drop(b.Context()))
				b.StartTimer()
			}
			b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
