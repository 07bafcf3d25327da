package reactions

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/projections"
)

func dec(s string) *decimal.Decimal {
	d := decimal.RequireFromString(s)
	return &d
}

func upTo(n int64) *int64 { return &n }

// metered makes a plan of 10.00 in advance and of calls by the tiers of case 64.
func (f *fixture) metered(t testing.TB, ledger uuid.UUID) uuid.UUID {
	t.Helper()
	product := answer[catalog.ProductView](t, f.do(t, ledger, catalog.CreateProduct{Fields: catalog.ProductFields{Name: "P", DisplayName: "P",
		Currencies: []catalog.ProductCurrency{{Currency: "USD", Default: true}}}}))
	calls := answer[catalog.MeterView](t, f.do(t, ledger, catalog.CreateMeter{Fields: catalog.MeterFields{Key: "calls", Name: "Calls", Aggregation: "sum"}})).ID
	return answer[catalog.PlanView](t, f.do(t, ledger, catalog.CreatePlan{Meters: catalog.Meters{"calls": calls}, Fields: catalog.PlanFields{ProductID: product.ID, Name: "Pro", DisplayName: "Pro",
		LicenseType: "metered", PricingType: "paid", Interval: "month", Length: 1, Active: true, Prices: []catalog.Price{
			{Key: "base", Kind: catalog.Flat, Currency: "USD", UnitAmount: dec("1000")},
			{Key: "calls", Kind: catalog.Graduated, Currency: "USD", Meter: "calls", Tiers: []catalog.Tier{
				{UpTo: upTo(1000), UnitAmount: *dec("1")}, {UpTo: upTo(5000), UnitAmount: *dec("0.8")}, {UnitAmount: *dec("0.5")}}}}}})).ID
}

// use records usage of a subscription's licence.
func (f *fixture) use(t testing.TB, ledger, sub uuid.UUID, quantity string, at time.Time) {
	t.Helper()
	f.keys++
	answer := answer[usage.View](t, f.do(t, ledger, usage.Record{Ref: license.Ref{SubscriptionID: &sub}, Meter: "calls", Quantity: *dec(quantity), At: &at,
		Key: fmt.Sprint("use ", f.keys)}))
	_ = answer
}

// bills are a ledger's invoices in order of their making.
func (f *fixture) bills(t testing.TB, ledger uuid.UUID) (all []string) {
	t.Helper()
	events, err := f.store.Page(t.Context(), ledger, 0, 1000)
	require.NoError(t, err)
	for _, e := range events {
		if _, ok := e.Event.(invoice.Drafted); !ok {
			continue
		}
		state, _, err := f.store.Fold(t.Context(), ledger, e.Stream)
		require.NoError(t, err)
		s := state.(*invoice.State)
		text := fmt.Sprintf("%s %s %s %d:", s.Number, s.Status, s.IssuedAt.Format(time.DateOnly), s.Total)
		for _, l := range s.Lines {
			text += fmt.Sprintf(" %s %s %d", l.Kind, l.Quantity, l.Amount)
		}
		for _, n := range s.CreditNotes {
			text += fmt.Sprintf(" (%s %d)", n.Number, n.Amount)
		}
		all = append(all, text)
	}
	return all
}

// Cases 64, 74, 77 and 79 from the clock to the invoice: usage is billed when its period is over, later usage on the next
// invoice, less of it by a credit note.
func TestUsageIsBilledWhenItsPeriodIsOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start(t, func(c *Config) { c.Tick = time.Hour })
	april := func(day int) time.Time { return time.Date(2025, 4, day, 0, 0, 0, 0, time.UTC) }
	f.do(t, f.test, domain.MoveClock{To: april(1)})
	sub := answer[subscription.View](t, f.do(t, f.test, subscription.Start{PlanID: f.metered(t, f.test)})).ID
	require.Equal(t, []string{"INV-000001 open 2025-04-01 1000: period 1 1000"}, f.bills(t, f.test))
	f.advance(t, f.test, april(20))
	f.use(t, f.test, sub, "7500", april(20))
	f.advance(t, f.test, april(31))
	require.Equal(t, "INV-000002 open 2025-05-01 6450: period 1 1000 usage 7500 5450", f.bills(t, f.test)[1])
	f.use(t, f.test, sub, "1", april(31))
	f.advance(t, f.test, april(33))
	f.use(t, f.test, sub, "100", april(31).Add(-time.Microsecond))
	f.advance(t, f.test, april(62))
	require.Equal(t, "INV-000003 open 2025-06-01 1051: period 1 1000 usage 1 1 adjustment 100 50", f.bills(t, f.test)[2], "74 and 77")
	require.Equal(t, "INV-000002 open 2025-05-01 6450: period 1 1000 usage 7500 5450", f.bills(t, f.test)[1], "it never changes")
	f.use(t, f.test, sub, "-300", april(20))
	f.advance(t, f.test, april(92))
	require.Equal(t, []string{"INV-000002 open 2025-05-01 6450: period 1 1000 usage 7500 5450 (CN-000002 100)",
		"INV-000003 open 2025-06-01 1051: period 1 1000 usage 1 1 adjustment 100 50 (CN-000001 50)"}, f.bills(t, f.test)[1:3], "79, the latest line first")
	f.advance(t, f.test, april(95))
	f.use(t, f.test, sub, "10", april(94))
	f.do(t, f.test, subscription.Cancel{ID: sub, Now: true, Credit: "prorate"})
	f.advance(t, f.test, april(96))
	last := f.bills(t, f.test)[4]
	require.Equal(t, "INV-000005 paid 2025-07-04 -893: prorationCredit 1 -903 usage 10 10", last, "97 usage up to the end is billed")
}

// Case 76: a draft is open for a while; what comes meanwhile is on it, and it has no number until then.
func TestCase76ADraftWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start(t, func(c *Config) { c.Tick = time.Hour })
	april := func(day int) time.Time { return time.Date(2025, 4, day, 0, 0, 0, 0, time.UTC) }
	f.do(t, f.test, domain.MoveClock{To: april(1)})
	hours := 24
	f.do(t, f.test, settings.Change{Patch: settings.Patch{DraftHours: &hours}})
	sub := answer[subscription.View](t, f.do(t, f.test, subscription.Start{PlanID: f.metered(t, f.test)})).ID
	f.use(t, f.test, sub, "1000", april(1))
	f.advance(t, f.test, april(31).Add(12*time.Hour))
	require.Equal(t, []string{" draft 0001-01-01 1000: period 1 1000"}, f.bills(t, f.test)[1:])
	f.use(t, f.test, sub, "1", april(30))
	f.advance(t, f.test, april(32))
	require.Equal(t, []string{"INV-000002 open 2025-05-02 2001: period 1 1000 usage 1001 1001"}, f.bills(t, f.test)[1:])
}

// Case 142 with invoices: thirteen months at once are what thirteen times one month are, to the byte but for ids.
func TestCase142Invoices(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	from := time.Date(2024, 1, 31, 12, 0, 0, 0, time.UTC)
	_, other := f.organisation(t)
	for _, ledger := range []uuid.UUID{f.test, other} {
		f.do(t, ledger, domain.MoveClock{To: from})
		plan := f.metered(t, ledger)
		sub := answer[subscription.View](t, f.do(t, ledger, subscription.Start{PlanID: plan})).ID
		later := from.AddDate(0, 2, 3)
		f.do(t, ledger, subscription.Start{PlanID: plan, StartAt: &later})
		f.use(t, ledger, sub, "1500", from)
	}
	f.start(t, func(c *Config) { c.Tick = time.Hour })
	require.Equal(t, task.Success, f.advance(t, f.test, from.AddDate(0, 13, 0)).Status)
	for month := 1; month <= 13; month++ {
		require.Equal(t, task.Success, f.advance(t, other, from.AddDate(0, month, 0)).Status)
	}
	at, apart := f.bare(t, f.test), f.bare(t, other)
	require.Equal(t, at, apart)
	require.Greater(t, len(at), 100)
}

// bare are a ledger's events without ids, positions and the clock's own.
func (f *fixture) bare(t testing.TB, ledger uuid.UUID) (all []string) {
	t.Helper()
	events, err := f.store.Page(t.Context(), ledger, 0, 1000)
	require.NoError(t, err)
	for _, e := range events {
		if e.Kind() == "clock" || e.Kind() == "task" {
			continue
		}
		var data any
		require.NoError(t, json.Unmarshal(e.Data, &data))
		all = append(all, fmt.Sprintf("%s %s %s %s", e.Type, e.EffectiveAt.Format(time.RFC3339Nano), e.RecordedAt.Format(time.RFC3339Nano), bare(data)))
	}
	return all
}

func bare(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if k != "events" && k != "position" && k != "key" {
				parts = append(parts, k+":"+bare(v[k]))
			}
		}
		return "{" + strings.Join(parts, " ") + "}"
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, bare(x))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case string:
		if _, err := uuid.Parse(v); err == nil {
			return "id"
		}
	}
	return fmt.Sprint(v)
}

// Cases 103 and 122: forty days later, two runs at once bill each missed period once, in order and dated to it; what failed on
// the way is done by the next.
func TestCase122TwoRunsBillEachPeriodOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	plan := f.metered(t, f.live)
	started := f.clock.Now().UTC().Truncate(time.Microsecond)
	var subs []uuid.UUID
	for range 30 {
		subs = append(subs, answer[subscription.View](t, f.do(t, f.live, subscription.Start{PlanID: plan})).ID)
	}
	none := 0
	f.do(t, f.live, settings.Change{Patch: settings.Patch{DraftHours: &none}})
	f.clock.advance(70 * 24 * time.Hour)
	at := started.AddDate(0, 0, 70)
	cfg := Config{Store: f.store, Pool: f.app, Applied: f.applied, Reads: projections.NewReads(f.app, f.applied, f.store.Acknowledged), Now: f.clock.Now}
	var crashed atomic.Int64
	crashing := cfg
	crashing.Fault = func(string) error {
		if crashed.Add(1)%5 == 0 {
			return errors.New("killed")
		}
		return nil
	}
	var g errgroup.Group
	var told atomic.Int64
	for _, c := range []Config{cfg, crashing} {
		g.Go(func() error {
			_, err := RunBilling(t.Context(), c, f.live, at, func(done, due int64) {
				if done > due {
					t.Errorf("%d of %d", done, due)
				}
				told.Store(max(told.Load(), done))
			})
			if errors.Is(err, errStays) { // the one that is killed now and then
				return nil
			}
			return err
		})
	}
	require.NoError(t, g.Wait())
	_, err := RunBilling(t.Context(), cfg, f.live, at, func(int64, int64) {})
	require.NoError(t, err)
	require.Positive(t, told.Load())
	require.Zero(t, f.count(t, `select count(*) from due where ledger_id = $1 and due_at <= $2`, f.live, at))
	schedule := period.Schedule{Anchor: started, Interval: period.Interval{Unit: period.Month, Count: 1}}
	periods := 0
	for ; !schedule.Boundary(periods).After(at); periods++ {
	}
	numbers := map[string]bool{}
	for _, sub := range subs {
		var before time.Time
		for n := range periods {
			state, _, err := f.store.Fold(t.Context(), f.live, invoice.IDFor(sub, f.boundary(t, sub, n), invoice.ForPeriod))
			require.NoError(t, err)
			s, ok := state.(*invoice.State)
			require.True(t, ok, "period %d of %s", n, sub)
			require.Equal(t, "open", s.Status)
			require.True(t, s.IssuedAt.After(before))
			require.False(t, numbers[s.Number], s.Number)
			before, numbers[s.Number] = s.IssuedAt, true
		}
	}
	require.Len(t, numbers, periods*len(subs))
	require.Equal(t, len(numbers), f.count(t, `select count(*) from invoices where ledger_id = $1`, f.live))
}

// boundary is the start of a subscription's n-th period.
func (f *fixture) boundary(t testing.TB, sub uuid.UUID, n int) time.Time {
	t.Helper()
	state, _, err := f.store.Fold(t.Context(), f.live, sub)
	require.NoError(t, err)
	return period.Schedule{Anchor: state.(*subscription.State).AnchorAt, Interval: period.Interval{Unit: period.Month, Count: 1}}.Boundary(n)
}

// A billing run that is asked for as a task ends when nothing is due any more.
func TestABillingRunIsATask(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	from := time.Date(2025, 4, 1, 0, 0, 0, 0, time.UTC)
	f.do(t, f.test, domain.MoveClock{To: from})
	sub := answer[subscription.View](t, f.do(t, f.test, subscription.Start{PlanID: f.metered(t, f.test)})).ID
	f.do(t, f.test, domain.MoveClock{To: from.AddDate(0, 2, 0)})
	asked := answer[task.View](t, f.do(t, f.test, task.RunBilling{}))
	f.start(t, func(c *Config) { c.Tick = time.Hour })
	require.Equal(t, task.Success, f.ends(t, f.test, asked.ID).Status)
	require.Len(t, f.bills(t, f.test), 3)
	state, _, err := f.store.Fold(t.Context(), f.test, sub)
	require.NoError(t, err)
	require.Equal(t, from.AddDate(0, 2, 0), state.(*subscription.State).Period.Start)
	later := from.AddDate(1, 0, 0)
	f.refuses(t, f.test, task.RunBilling{At: &later}, "bad_time")
}
