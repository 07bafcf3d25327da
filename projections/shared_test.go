package projections

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/pgtest"
)

// rowsOf lists a ledger's checkpoints, "*" for the shared one.
func rowsOf(t *testing.T, pool *pgxpool.Pool, ledger uuid.UUID) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), "select projection || ' ' || position from checkpoints where ledger_id = $1 order by 1", ledger)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return names
}

// Models in step share a checkpoint; one that is parked leaves it, and comes back when it has caught up.
func TestModelsInStepShareACheckpoint(t *testing.T) {
	t.Parallel()
	h, db := twoLedgers(), pgtest.New(t)
	owner := pgtest.Pool(t, db.URL)
	h.publish(t, owner)
	applied := NewApplied()
	r := running(t, Config{Log: h, Pool: pgtest.Pool(t, db.AppURL), Applied: applied}, nil)
	waitFor(t, applied, id(900), 9)
	waitFor(t, applied, id(901), 9)
	require.Equal(t, []string{"* 9"}, rowsOf(t, owner, id(900)))

	bad := h.add(id(900), id(132100), day(7), subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: id(7777)}}})
	h.publish(t, owner)
	r.Committed(bad)
	waitFor(t, applied, id(900), 10)
	require.Equal(t, []string{"* 9"}, rowsOf(t, owner, id(901)), "the other ledger is not concerned")
	require.Contains(t, rowsOf(t, owner, id(900)), "licenses 9")

	next := h.add(id(900), id(1), day(8), catalog.ProductChanged{ProductFields: catalog.ProductFields{Name: "q", DisplayName: "Q"}})
	h.publish(t, owner)
	r.Committed(next)
	waitFor(t, applied, id(900), 11)
	require.Equal(t, []string{"* 11", "licenses 9"}, rowsOf(t, owner, id(900)), "those in step share again")

	h.mu.Lock()
	h.events[id(900)][9].Event = subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: id(132200), Grantee: domain.Grantee("dora")}}}
	h.mu.Unlock()
	_, err := Unpark(t.Context(), owner, id(900), "licenses")
	require.NoError(t, err)
	for n := int64(12); slices.Contains(rowsOf(t, owner, id(900)), "licenses 9") || len(rowsOf(t, owner, id(900))) > 1; n++ {
		require.Less(t, n, int64(20), "%v", rowsOf(t, owner, id(900)))
		r.Rescan()
		h.add(id(900), id(1), day(8), catalog.ProductChanged{ProductFields: catalog.ProductFields{Name: "q", DisplayName: "Q"}})
		h.publish(t, owner)
		r.Nudge(id(900))
		waitFor(t, applied, id(900), n)
	}
	require.Equal(t, expected(t, h), dump(t, owner))
}

// A model that is rebuilt alone leaves the shared checkpoint where it was.
func TestRebuildOfOneModelPartsTheCheckpoint(t *testing.T) {
	t.Parallel()
	h, db := twoLedgers(), pgtest.New(t)
	owner := pgtest.Pool(t, db.URL)
	h.publish(t, owner)
	applied := NewApplied()
	r := running(t, Config{Log: h, Pool: pgtest.Pool(t, db.AppURL), Applied: applied}, nil)
	waitFor(t, applied, id(900), 9)
	waitFor(t, applied, id(901), 9)

	rebuild := NewRebuild(RebuildConfig{Log: h, Owner: owner, Models: []*Model{Licenses()}})
	require.NoError(t, rebuild.Run(t.Context()))
	require.NoError(t, rebuild.Swap(t.Context()))
	require.Equal(t, []string{"* 9", "licenses 9"}, rowsOf(t, owner, id(900)))
	h.add(id(900), id(1), day(8), catalog.ProductChanged{ProductFields: catalog.ProductFields{Name: "q", DisplayName: "Q"}})
	h.publish(t, owner)
	r.Nudge(id(900))
	waitFor(t, applied, id(900), 10)
	require.Equal(t, []string{"* 10"}, rowsOf(t, owner, id(900)))
	require.Equal(t, expected(t, h), dump(t, owner))

	rebuild = NewRebuild(RebuildConfig{Log: h, Owner: owner, Models: Models()})
	require.NoError(t, rebuild.Run(t.Context()))
	require.NoError(t, rebuild.Swap(t.Context()))
	require.Equal(t, []string{"* 10"}, rowsOf(t, owner, id(900)))
	require.Equal(t, expected(t, h), dump(t, owner))
}

// Runners that race for a ledger whose checkpoints are apart leave one, and count each event once.
func TestRunnersRaceToMerge(t *testing.T) {
	t.Parallel()
	h, db := twoLedgers(), pgtest.New(t)
	owner, app := pgtest.Pool(t, db.URL), pgtest.Pool(t, db.AppURL)
	h.publish(t, owner)
	for _, m := range Models() {
		_, err := owner.Exec(t.Context(), "insert into checkpoints (ledger_id, projection, position) values ($1, $2, 0)", id(900), m.Name())
		require.NoError(t, err)
	}
	var all []*Applied
	for range 4 {
		applied := NewApplied()
		all = append(all, applied)
		running(t, Config{Log: small{h}, Pool: app, Applied: applied}, nil)
	}
	for _, a := range all {
		waitFor(t, a, id(900), 9)
		waitFor(t, a, id(901), 9)
	}
	require.Equal(t, []string{"* 9"}, rowsOf(t, owner, id(900)))
	require.Equal(t, expected(t, h), dump(t, owner))
}

// skipping publishes removals of seats, and nothing else.
type skipping struct{ applied map[uuid.UUID][]int64 }

func (*skipping) Name() string { return "skipping" }

func (*skipping) Skip(events []*eventstore.Recorded) bool {
	return !slices.ContainsFunc(events, func(e *eventstore.Recorded) bool { return e.Type == subscription.SeatsRemoved{}.EventType() })
}

func (p *skipping) Apply(_ context.Context, _ pgx.Tx, events []*eventstore.Recorded) error {
	for _, e := range events {
		p.applied[e.Ledger] = append(p.applied[e.Ledger], e.Position)
	}
	return nil
}

// What means nothing to a projection costs no transaction, and its checkpoint is saved in the end.
func TestSkippedEventsAreSavedLater(t *testing.T) {
	t.Parallel()
	h, db := twoLedgers(), pgtest.New(t)
	owner := pgtest.Pool(t, db.URL)
	h.publish(t, owner)
	p := &skipping{applied: map[uuid.UUID][]int64{}}
	run := func(moves int) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done, followed := make(chan error, 1), make(chan struct{}, 10)
		r := NewRunner(Config{Log: small{h}, Pool: pgtest.Pool(t, db.AppURL), Projections: []Projection{p},
			Follow: func(h Handover) {
				for range h.Moves {
					followed <- struct{}{}
				}
			}})
		go func() { done <- r.Run(ctx) }()
		for range moves {
			<-followed
		}
		cancel() // what was skipped is saved at the end
		require.ErrorIs(t, <-done, context.Canceled)
	}
	run(2) // one page in each ledger
	require.Equal(t, map[uuid.UUID][]int64{id(900): {5, 6}, id(901): {5, 6}}, p.applied, "the page of position 5, and no other")

	h.add(id(900), id(132100), day(7), subscription.SeatsRemoved{TaskID: id(302), Seats: []uuid.UUID{id(132202)}, Quantity: 2})
	h.publish(t, owner)
	run(1)
	again := p.applied[id(900)][2:]
	require.NotEmpty(t, again)
	require.EqualValues(t, 10, again[len(again)-1])
	require.Greater(t, again[0], int64(6), "from the saved checkpoint on")
}

// A read model that came later is folded into ledgers whose shared checkpoint is at their end, though nobody
// writes to them any more.
func TestTheScanFindsAModelThatCameLater(t *testing.T) {
	t.Parallel()
	h, db, ledger := newHistory(), pgtest.New(t), id(900)
	pool, owner := pgtest.Pool(t, db.AppURL), pgtest.Pool(t, db.URL)
	h.add(ledger, id(1), day(1), started(2, 10, "dora"))
	h.publish(t, owner)
	project := func(models ...Projection) {
		t.Helper()
		applied := NewApplied()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- NewRunner(Config{Log: h, Pool: pool, Projections: models, Applied: applied}).Run(ctx) }()
		defer func() { cancel(); <-done }()
		require.Eventually(t, func() bool { return applied.Position(ledger) == 1 }, 20*time.Second, 5*time.Millisecond) // asks nobody to look
	}
	project(Subscriptions(), Usage())
	project(Subscriptions(), Usage(), Licenses())
	var seats int
	require.NoError(t, owner.QueryRow(t.Context(), "select count(*) from licenses").Scan(&seats))
	require.Equal(t, 1, seats)
}

// A ledger that was folded before there were plan sales and usage records gets them without a rebuild.
func TestLedgersOfBeforeAreCaughtUp(t *testing.T) {
	t.Parallel()
	h, db := twoLedgers(), pgtest.New(t)
	owner := pgtest.Pool(t, db.URL)
	waits := started(20, 500, "dora")
	waits.Status = subscription.Incomplete
	h.add(id(900), id(400), day(7), waits)
	h.add(id(901), id(401), day(7), waits)
	h.add(id(901), id(401), day(8), subscription.PaymentSettled{})
	sub := id(400)
	h.add(id(900), usage.StreamID(id(500), ""), day(8), usage.Recorded{Key: "k", LicenseID: id(500), SubscriptionID: &sub, PlanID: id(20), ProductID: id(1),
		Quantity: decimal.NewFromInt(3), At: day(8), Total: decimal.NewFromInt(3)})
	h.publish(t, owner)
	apply(t, owner, slices.DeleteFunc(Models(), func(m *Model) bool { return m.Name() == "plan_sales" || m.Name() == "usage_records" }), all(h))
	for _, ledger := range []uuid.UUID{id(900), id(901)} {
		_, err := owner.Exec(t.Context(), `insert into checkpoints (ledger_id, projection, position, covers)
			values ($1, '*', $2, '{catalog,subscriptions,licenses,usage,tasks,due,rbac}')`, ledger, 11)
		require.NoError(t, err)
	}
	applied := NewApplied()
	running(t, Config{Log: h, Pool: pgtest.Pool(t, db.AppURL), Applied: applied}, nil)
	waitFor(t, applied, id(900), 11)
	waitFor(t, applied, id(901), 11)
	reads := NewReads(pgtest.Pool(t, db.ReaderURL), applied, nil)
	for ledger, want := range map[uuid.UUID][]uuid.UUID{id(900): {id(10)}, id(901): {id(10), id(20)}} {
		sold, err := reads.PlanSales(t.Context(), ledger, []uuid.UUID{id(10), id(20)})
		require.NoError(t, err)
		var plans []uuid.UUID
		for _, s := range sold {
			plans = append(plans, s.PlanID)
		}
		require.ElementsMatch(t, want, plans)
	}
	record, used, err := reads.UsageNow(t.Context(), id(900), id(500), day(9))
	require.NoError(t, err)
	require.True(t, used)
	require.Equal(t, "current 3", record.Type+" "+record.Total.String())
	require.Equal(t, expected(t, h), dump(t, owner))
}
