package metering_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/metering"
	"github.com/subledger/subledger/internal/pgtest"
	"github.com/subledger/subledger/projections"
)

// site is a ledger on 1 April 2025 with a subscription of a metered plan, and its live read models.
type site struct {
	t       *testing.T
	store   *eventstore.Store
	reads   *projections.Reads
	applied *projections.Applied
	counter metering.Counter
	ledger  uuid.UUID
	product uuid.UUID
	sub     uuid.UUID
	meters  map[string]uuid.UUID
	keys    int
	bulk    *eventstore.Bulk // until it is written, what is executed goes there
}

func april(day int) time.Time { return time.Date(2025, time.April, day, 0, 0, 0, 0, time.UTC) }

var (
	month = period.Period{Start: april(1), End: april(31)}
	may   = period.Period{Start: april(31), End: april(62)}
)

func open(t *testing.T) *site {
	t.Helper()
	s := closed(t)
	s.begin()
	return s
}

// closed is a site whose ledger is empty.
func closed(t *testing.T) *site {
	t.Helper()
	db, master := pgtest.New(t), eventstore.NewMasterKey()
	pool := func(url string) *pgxpool.Pool {
		p, err := eventstore.OpenPool(t.Context(), url, func(c *pgxpool.Config) { c.MaxConns = 6 })
		require.NoError(t, err)
		t.Cleanup(p.Close)
		return p
	}
	require.NoError(t, eventstore.Bootstrap(t.Context(), pool(db.URL), master))
	app := pool(db.AppURL)
	s := &site{t: t, applied: projections.NewApplied(), meters: map[string]uuid.UUID{}}
	var err error
	s.store, err = eventstore.Open(t.Context(), app, master, eventstore.Vocabularies(), eventstore.Config{})
	require.NoError(t, err)
	t.Cleanup(s.store.Close)
	var models []projections.Projection
	for _, m := range projections.Models() {
		if m.Name() == "usage" || m.Name() == "catalog" {
			models = append(models, m)
		}
	}
	runner := projections.NewRunner(projections.Config{Log: s.store, Pool: app, Projections: models, Applied: s.applied})
	s.store.Subscribe(runner.Committed)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); _ = runner.Run(ctx) }()
	t.Cleanup(func() { stop(); <-stopped })

	s.reads = projections.NewReads(pool(db.ReaderURL), s.applied, s.store.Acknowledged)
	s.counter = metering.Counter{Store: s.store, Reads: s.reads}
	org, live := uuid.New(), uuid.New()
	s.ledger = uuid.New()
	create, err := s.store.NewOrganisation(org, live, s.ledger, "Acme", "USD", "UTC")
	require.NoError(t, err)
	_, err = s.store.Execute(t.Context(), eventstore.Request{Ledger: s.store.SystemLedger(), Command: create})
	require.NoError(t, err)
	return s
}

func (s *site) begin() {
	s.t.Helper()
	s.at(april(1))
	s.product = s.made(catalog.CreateProduct{Fields: catalog.ProductFields{Name: "product", DisplayName: "Product"}})
	s.sub = s.made(subscription.Start{PlanID: s.newPlan("plan"), Owner: "owner"})
}

func (s *site) newPlan(name string) uuid.UUID {
	s.t.Helper()
	f := catalog.DefaultPlan()
	f.ProductID, f.Name, f.DisplayName, f.PricingType, f.Interval, f.Length = s.product, name, name, "free", "month", 1
	f.LicenseType, f.MaxSeatAmount = catalog.PerSeat, 10
	return s.made(catalog.CreatePlan{Fields: f})
}

func (s *site) execute(c domain.Command) json.RawMessage {
	s.t.Helper()
	run := s.store.Execute
	if s.bulk != nil {
		run = s.bulk.Execute
	}
	r, err := run(s.t.Context(), eventstore.Request{Ledger: s.ledger, Command: c})
	require.NoError(s.t, err, "%#v", c)
	return r.Answer
}

func (s *site) made(c domain.Command) uuid.UUID {
	s.t.Helper()
	var v struct {
		ID uuid.UUID `json:"id"`
	}
	require.NoError(s.t, json.Unmarshal(s.execute(c), &v))
	return v.ID
}

func (s *site) at(t time.Time) { s.t.Helper(); s.execute(domain.MoveClock{To: t}) }

func (s *site) meter(key, aggregation string, carries bool) {
	s.t.Helper()
	s.meters[key] = s.made(catalog.CreateMeter{Fields: catalog.MeterFields{Key: key, Aggregation: aggregation, CarriesOver: carries}})
}

// seats are those that the subscription has now, the oldest first.
func (s *site) seats() (ids []uuid.UUID) {
	s.t.Helper()
	state, _, err := s.store.Fold(s.t.Context(), s.ledger, s.sub)
	require.NoError(s.t, err)
	for seat := range state.(*subscription.State).Seats() {
		ids = append(ids, seat.ID)
	}
	return ids
}

// item is a record of the oldest seat at an instant.
func (s *site) item(meter, quantity, value string, at time.Time) usage.Record {
	s.keys++
	r := usage.Record{Ref: license.Ref{SubscriptionID: &s.sub}, Key: fmt.Sprint("k", s.keys), Meter: meter, At: &at,
		Quantity: decimal.RequireFromString(quantity), Value: value}
	if id, ok := s.meters[meter]; ok {
		r.MeterID = &id
	}
	return r
}

func (s *site) record(meter, quantity string, at time.Time) {
	s.t.Helper()
	s.execute(s.item(meter, quantity, "", at))
}

// caughtUp waits until the read models are at the end of the ledger, which it gives.
func (s *site) caughtUp() int64 {
	s.t.Helper()
	head, _, err := s.store.Head(s.t.Context(), s.ledger)
	require.NoError(s.t, err)
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	require.NoError(s.t, s.applied.Wait(ctx, s.ledger, head))
	return head
}

// count counts at the end of the ledger.
func (s *site) count(meter string, in ...period.Period) []metering.Count {
	s.t.Helper()
	head := s.caughtUp()
	counts, position, err := s.counter.Count(s.t.Context(), s.ledger, s.sub, meter, in)
	require.NoError(s.t, err)
	require.Equal(s.t, head, position, "all that there is was counted")
	require.Len(s.t, counts, len(in))
	return counts
}

// comes checks what a period came to.
func (s *site) comes(meter string, in period.Period, want string) metering.Count {
	s.t.Helper()
	got := s.count(meter, in)[0]
	require.Equal(s.t, want, got.Quantity.RatString(), "%s from %s", meter, in.Start.Format(time.DateOnly))
	return got
}
