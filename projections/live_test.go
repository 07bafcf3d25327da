package projections

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/pgtest"
	"github.com/subledger/subledger/internal/selftest"
)

// market is a real log with a live runner, driven by random commands.
type market struct {
	t       *testing.T
	store   *eventstore.Store
	ledger  uuid.UUID
	random  *rand.Rand
	now     time.Time
	plans   []uuid.UUID
	subs    []uuid.UUID
	seats   map[uuid.UUID][]uuid.UUID
	adHoc   []uuid.UUID
	refused int
	done    int
}

func (m *market) execute(c domain.Command) (answer json.RawMessage, ok bool) {
	m.t.Helper()
	r, err := m.store.Execute(m.t.Context(), eventstore.Request{Ledger: m.ledger, Command: c})
	if _, refusal := domain.AsRefusal(err); refusal {
		m.refused++
		return nil, false
	}
	require.NoError(m.t, err, "%#v", c)
	m.done++
	return r.Answer, true
}

func idIn(t *testing.T, answer json.RawMessage) uuid.UUID {
	t.Helper()
	var v struct {
		ID uuid.UUID `json:"id"`
	}
	require.NoError(t, json.Unmarshal(answer, &v), "%s", answer)
	require.NotZero(t, v.ID, "%s", answer)
	return v.ID
}

func pick[T any](m *market, from []T) T { return from[m.random.IntN(len(from))] }

// step is one random command; many are refused, which is part of it.
func (m *market) step() {
	var grantee *string
	if m.random.IntN(4) > 0 {
		name := fmt.Sprint("g", m.random.IntN(6))
		grantee = &name
	}
	sub := pick(m, m.subs)
	switch m.random.IntN(14) {
	case 0:
		m.buy()
	case 1:
		m.execute(subscription.AddSeats{ID: sub, Count: 1 + m.random.IntN(3)})
	case 2:
		m.execute(subscription.RemoveSeats{ID: sub, Count: 1 + m.random.IntN(2)})
	case 3:
		m.execute(subscription.ChangePlan{ID: sub, PlanID: pick(m, m.plans)})
	case 4:
		m.execute(subscription.Cancel{ID: sub, Now: m.random.IntN(4) == 0})
	case 5:
		m.execute(subscription.Reactivate{ID: sub})
	case 6:
		m.execute(subscription.Pause{ID: sub})
	case 7:
		m.execute(subscription.Resume{ID: sub})
	case 8, 9:
		if seats := m.seats[sub]; len(seats) > 0 {
			m.execute(license.Assign{Ref: license.Ref{LicenseID: pick(m, seats), SubscriptionID: &sub}, Grantee: grantee})
		}
	case 10:
		if answer, ok := m.execute(license.Grant{PlanID: pick(m, m.plans), Grantee: grantee, Purchaser: "p"}); ok {
			m.adHoc = append(m.adHoc, idIn(m.t, answer))
		}
	case 11:
		if len(m.adHoc) > 0 && m.random.IntN(2) == 0 {
			m.execute(license.Cancel{LicenseID: pick(m, m.adHoc)})
		} else if len(m.adHoc) > 0 {
			m.execute(license.Expire{LicenseID: pick(m, m.adHoc)})
		}
	case 12:
		ref := license.Ref{SubscriptionID: &sub}
		if len(m.adHoc) > 0 && m.random.IntN(2) == 0 {
			ref = license.Ref{LicenseID: pick(m, m.adHoc)}
		}
		m.execute(usage.Record{Ref: ref, Key: fmt.Sprint("u", m.random.IntN(200)), Quantity: decimal.NewFromInt(int64(m.random.IntN(9) - 2))})
	case 13:
		m.now = m.now.Add(time.Duration(m.random.IntN(20*24)) * time.Hour)
		m.execute(domain.MoveClock{To: m.now})
		m.execute(subscription.Advance{ID: sub})
	}
	m.see(sub)
}

func (m *market) buy() {
	quantity := m.random.IntN(4)
	if answer, ok := m.execute(subscription.Start{PlanID: pick(m, m.plans), Quantity: &quantity, Owner: "owner"}); ok {
		id := idIn(m.t, answer)
		m.subs = append(m.subs, id)
		m.see(id)
	}
}

// see notes the seats that a subscription ever had.
func (m *market) see(sub uuid.UUID) {
	state, _, err := m.store.Fold(m.t.Context(), m.ledger, sub)
	require.NoError(m.t, err)
	m.seats[sub] = m.seats[sub][:0]
	for seat := range state.(*subscription.State).Seats() {
		m.seats[sub] = append(m.seats[sub], seat.ID)
	}
}

// Case 134: however a ledger came about, the rows that were kept up to date event by event are those that a rebuild
// makes from position 1. A failure logs its seed.
func TestLiveRowsAreRebuiltRows(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	owner, err := eventstore.OpenPool(t.Context(), db.URL, func(c *pgxpool.Config) { c.MaxConns = 4 })
	require.NoError(t, err)
	t.Cleanup(owner.Close)
	app, err := eventstore.OpenPool(t.Context(), db.AppURL, func(c *pgxpool.Config) { c.MaxConns = 8 })
	require.NoError(t, err)
	t.Cleanup(app.Close)
	master := eventstore.NewMasterKey()
	require.NoError(t, eventstore.Bootstrap(t.Context(), owner, master))
	store, err := eventstore.Open(t.Context(), app, master, eventstore.Vocabularies(), eventstore.Config{})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	applied := NewApplied()
	runner := running(t, Config{Log: store, Pool: app, Applied: applied}, nil)
	store.Subscribe(runner.Committed)

	for range 6 {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		org, live, test := uuid.New(), uuid.New(), uuid.New()
		create, err := store.NewOrganisation(org, live, test, "Market", "USD", "UTC")
		require.NoError(t, err)
		_, err = store.Execute(t.Context(), eventstore.Request{Ledger: store.SystemLedger(), Command: create})
		require.NoError(t, err)
		m := &market{t: t, store: store, ledger: test, random: rand.New(rand.NewPCG(seed, 0)), now: day(0), seats: map[uuid.UUID][]uuid.UUID{}}
		m.execute(domain.MoveClock{To: m.now})
		m.open()
		for range 120 {
			m.step()
		}
		require.Greater(t, m.done, 30, "too little happened; %d were refused", m.refused)
		waitFor(t, applied, test, store.Acknowledged(test))
	}
	rebuild := NewRebuild(RebuildConfig{Log: store, Owner: owner, Models: Models()})
	require.NoError(t, rebuild.Run(t.Context()))
	differences, err := rebuild.Check(t.Context())
	require.NoError(t, err)
	require.Empty(t, differences)
	all, err := selftest.Check(t.Context(), owner, selftest.Options{})
	require.NoError(t, err)
	for _, f := range all {
		require.Empty(t, f.Breaches, "invariant %d, %s", f.Number, f.Name)
	}

	// And the comparison sees a difference when there is one.
	_, err = owner.Exec(t.Context(), `update subscriptions set quantity = quantity + 1 where id = (select id from subscriptions limit 1)`)
	require.NoError(t, err)
	differences, err = rebuild.Check(t.Context())
	require.NoError(t, err)
	require.Len(t, differences, 1)
	require.NoError(t, rebuild.Drop(t.Context()))
}

// open fills the shelves: plans by the seat and by the piece, with a trial, in months and days.
func (m *market) open() {
	answer, ok := m.execute(catalog.CreateProduct{Fields: catalog.ProductFields{Name: "product", DisplayName: "Product"}})
	require.True(m.t, ok)
	product := idIn(m.t, answer)
	answer, ok = m.execute(catalog.CreateCapability{Fields: catalog.CapabilityFields{ProductID: product, Name: "read"}})
	require.True(m.t, ok)
	capability := idIn(m.t, answer)
	for i, edit := range []func(*catalog.PlanFields){
		func(f *catalog.PlanFields) { f.LicenseType, f.MaxSeatAmount = catalog.PerSeat, 8 },
		func(f *catalog.PlanFields) { f.LicenseType, f.PerSeatAmount = catalog.PerSeat, 2 },
		func(f *catalog.PlanFields) { f.LicenseType = "licensed" },
		func(f *catalog.PlanFields) { f.LicenseType, f.Interval, f.Length = "metered", "day", 10 },
		func(f *catalog.PlanFields) { days := 7; f.LicenseType, f.TrialDays = catalog.PerSeat, &days },
	} {
		f := catalog.DefaultPlan()
		f.ProductID, f.Name, f.DisplayName = product, fmt.Sprint("plan", i), fmt.Sprint("Plan ", i)
		f.PricingType, f.Interval, f.Length = "free", "month", 1
		f.Capabilities = []uuid.UUID{capability}[:i%2]
		edit(&f)
		answer, ok := m.execute(catalog.CreatePlan{Fields: f})
		require.True(m.t, ok)
		m.plans = append(m.plans, idIn(m.t, answer))
	}
	for len(m.subs) < 2 {
		m.buy()
	}
}
