package reactions

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/usage"
)

// wares are plans of one product and a meter.
type wares struct {
	*fixture
	t       *testing.T
	ledger  uuid.UUID
	product uuid.UUID
	meters  catalog.Meters
}

// sells opens a shop on 1 April in the test ledger.
func (f *fixture) sells(t *testing.T, meter catalog.MeterFields) *wares {
	t.Helper()
	f.start(t, func(c *Config) { c.Tick = time.Hour })
	f.do(t, f.test, domain.MoveClock{To: day(4, 1)})
	meter.Key, meter.Name = "calls", "Calls"
	calls := answer[catalog.MeterView](t, f.do(t, f.test, catalog.CreateMeter{Fields: meter})).ID
	product := answer[catalog.ProductView](t, f.do(t, f.test, catalog.CreateProduct{Fields: catalog.ProductFields{Name: "P", DisplayName: "P",
		Currencies: []catalog.ProductCurrency{{Currency: "USD", Default: true}}}})).ID
	return &wares{f, t, f.test, product, catalog.Meters{"calls": calls}}
}

// plan makes one of some prices, by the month as a rule.
func (w *wares) plan(prices []catalog.Price, edit ...func(*catalog.PlanFields)) uuid.UUID {
	w.t.Helper()
	w.keys++
	name := fmt.Sprint("plan ", w.keys)
	f := catalog.PlanFields{ProductID: w.product, Name: name, DisplayName: name, LicenseType: "metered", PricingType: "paid", Interval: "month", Length: 1,
		Active: true, Prices: prices}
	if len(prices) == 0 {
		f.PricingType = "free"
	}
	for _, e := range edit {
		e(&f)
	}
	return answer[catalog.PlanView](w.t, w.do(w.t, w.ledger, catalog.CreatePlan{Fields: f, Meters: w.meters})).ID
}

// byUse is a plan of 1.00 a unit of the meter.
func (w *wares) byUse(edit ...func(*catalog.PlanFields)) uuid.UUID {
	w.t.Helper()
	return w.plan([]catalog.Price{{Key: "calls", Kind: catalog.PerUnit, Currency: "USD", UnitAmount: dec("100"), Meter: "calls"}}, edit...)
}

func (w *wares) flat(amount string) uuid.UUID {
	w.t.Helper()
	return w.plan([]catalog.Price{{Key: "base", Kind: catalog.Flat, Currency: "USD", UnitAmount: dec(amount)}})
}

func (w *wares) bought(plan uuid.UUID) uuid.UUID {
	w.t.Helper()
	return answer[subscription.View](w.t, w.do(w.t, w.ledger, subscription.Start{PlanID: plan})).ID
}

func day(month time.Month, day int) time.Time {
	return time.Date(2025, month, day, 0, 0, 0, 0, time.UTC)
}

// A late record of a meter that carries over changes all periods after it, those too that it lies before.
func TestALateValueCarriesOverIntoPeriodsThatWereBilled(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"last", "weightedSum"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t).sells(t, catalog.MeterFields{Aggregation: how, CarriesOver: true})
			sub := f.bought(f.byUse())
			f.advance(t, f.test, day(6, 10))
			f.use(t, f.test, sub, "10", day(4, 1))
			f.advance(t, f.test, day(8, 1))
			require.Equal(t, []string{"INV-000001 paid 2025-05-01 0: usage 0 0", "INV-000002 paid 2025-06-01 0: usage 0 0",
				"INV-000003 open 2025-07-01 3000: usage 10 1000 adjustment 10 1000 adjustment 10 1000", "INV-000004 open 2025-08-01 1000: usage 10 1000"}, f.bills(t, f.test))
			f.use(t, f.test, sub, map[string]string{"last": "4", "weightedSum": "-6"}[how], day(6, 1))
			f.advance(t, f.test, day(9, 1))
			require.Equal(t, []string{"INV-000003 open 2025-07-01 3000: usage 10 1000 adjustment 10 1000 adjustment 10 1000 (CN-000001 600)",
				"INV-000004 open 2025-08-01 1000: usage 10 1000 (CN-000002 600)", "INV-000005 open 2025-09-01 400: usage 4 400"}, f.bills(t, f.test)[2:], "June and July, not May")
		})
	}
}

// What was used before a change to a plan without meters, or a free one, is billed whenever it comes.
func TestLateUsageOfAnEarlierPlan(t *testing.T) {
	t.Parallel()
	f := newFixture(t).sells(t, catalog.MeterFields{Aggregation: "sum"})
	flat, free := f.flat("3000"), f.plan(nil)
	sub := f.bought(f.byUse())
	f.advance(t, f.test, day(5, 1))
	f.do(t, f.test, subscription.ChangePlan{ID: sub, PlanID: flat, When: "now"})
	f.advance(t, f.test, day(6, 2))
	f.use(t, f.test, sub, "9", day(4, 12))
	f.advance(t, f.test, day(7, 2))
	require.Equal(t, []string{"INV-000003 open 2025-07-01 3900: period 1 3000 adjustment 9 900"}, f.bills(t, f.test)[2:])
	f.do(t, f.test, subscription.ChangePlan{ID: sub, PlanID: free, When: "periodEnd"})
	f.advance(t, f.test, day(9, 2))
	f.use(t, f.test, sub, "-2", day(4, 12))
	f.use(t, f.test, sub, "2", day(4, 30))
	f.use(t, f.test, sub, "1", day(4, 29))
	f.advance(t, f.test, day(10, 2))
	all := f.bills(t, f.test)
	require.Equal(t, "INV-000004 open 2025-10-01 100: adjustment 1 100", all[len(all)-1], "one more in all")
}

// A period that was cut short by a change to a plan of another interval was billed before it was over: usage of it that comes
// then is billed with the next period.
func TestLateUsageOfAPeriodThatWasCutShort(t *testing.T) {
	t.Parallel()
	f := newFixture(t).sells(t, catalog.MeterFields{Aggregation: "sum"})
	sub := f.bought(f.byUse())
	f.advance(t, f.test, day(4, 10))
	f.do(t, f.test, subscription.ChangePlan{ID: sub, PlanID: f.byUse(func(p *catalog.PlanFields) { p.Interval, p.Length = "week", 1 }), When: "now"})
	f.advance(t, f.test, day(4, 12))
	f.use(t, f.test, sub, "3", day(4, 9))
	f.use(t, f.test, sub, "1", day(4, 12))
	f.advance(t, f.test, day(4, 25))
	require.Equal(t, []string{" void 0001-01-01 0:", "INV-000001 open 2025-04-17 400: usage 1 100 adjustment 3 300", "INV-000002 paid 2025-04-24 0: usage 0 0"}, f.bills(t, f.test))
}

// Cases 79 and 80: usage from before an end that comes within the time in which it is taken is billed when that is over, less
// of it is credited; then the subscription is billed no more.
func TestCase80UsageAfterAnEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t).sells(t, catalog.MeterFields{Aggregation: "sum"})
	sub, fewer, none := f.bought(f.byUse()), f.bought(f.byUse()), f.bought(f.byUse())
	flat := f.bought(f.flat("3000"))
	for _, id := range []uuid.UUID{sub, fewer, none} {
		f.use(t, f.test, id, "5", day(4, 1))
	}
	f.advance(t, f.test, day(4, 10))
	for _, id := range []uuid.UUID{sub, fewer, none, flat} {
		f.do(t, f.test, subscription.Cancel{ID: id, Now: true})
	}
	f.advance(t, f.test, day(4, 11))
	require.Equal(t, 3, f.count(t, `select count(*) from due where ledger_id = $1 and kind = 'closing'`, f.test), "what never had usage is done")
	billed := f.bills(t, f.test)
	f.use(t, f.test, sub, "7", day(4, 5))
	f.use(t, f.test, fewer, "-2", day(4, 5))
	f.advance(t, f.test, day(4, 13))
	f.use(t, f.test, sub, "1", day(4, 5))
	require.Equal(t, billed, f.bills(t, f.test), "it is still taken")
	f.advance(t, f.test, day(4, 13).Add(time.Second))
	f.refuses(t, f.test, usage.Record{Ref: license.Ref{SubscriptionID: &sub}, Meter: "calls", Quantity: *dec("1"), At: ptrTo(day(4, 5)), Key: "late"}, "usage_too_late")
	f.advance(t, f.test, day(8, 1))
	all := f.bills(t, f.test)
	require.Equal(t, []string{"open 2025-04-01 3000: period 1 3000", "open 2025-04-10 500: usage 5 500", "open 2025-04-10 500: usage 5 500", "open 2025-04-10 500: usage 5 500 (CN-000001 200)",
		"open 2025-04-13 800: adjustment 8 800"}, slices.Sorted(func(yield func(string) bool) {
		for _, b := range all {
			if _, text, _ := strings.Cut(b, " "); !yield(text) {
				return
			}
		}
	}))
	require.Zero(t, f.count(t, `select count(*) from due where ledger_id = $1`, f.test))
	hours := 24 * 365
	f.do(t, f.test, settings.Change{Patch: settings.Patch{LateUsageHours: &hours}})
	f.refuses(t, f.test, usage.Record{Ref: license.Ref{SubscriptionID: &sub}, Meter: "calls", Quantity: *dec("1"), At: ptrTo(day(4, 5)), Key: "later"}, "usage_too_late")
}

// Where usage is taken for longer by the time that an account would be closed, it is closed later.
func TestAnAccountIsClosedAsLateAsUsageIsTaken(t *testing.T) {
	t.Parallel()
	f := newFixture(t).sells(t, catalog.MeterFields{Aggregation: "sum"})
	sub := f.bought(f.byUse())
	f.advance(t, f.test, day(4, 10))
	f.do(t, f.test, subscription.Cancel{ID: sub, Now: true})
	hours := 240
	f.do(t, f.test, settings.Change{Patch: settings.Patch{LateUsageHours: &hours}})
	f.advance(t, f.test, day(4, 19))
	f.use(t, f.test, sub, "3", day(4, 5))
	f.advance(t, f.test, day(4, 21))
	require.Equal(t, []string{" void 0001-01-01 0:", "INV-000001 open 2025-04-20 300: adjustment 3 300"}, f.bills(t, f.test))
}

func ptrTo[T any](v T) *T { return &v }
